"""The functions that a template of ``--format`` may call."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from regbot.errors import InvalidValue

_FORM = re.compile(r"%(?P<left>-?)(?P<width>[0-9]{0,3})(?P<kind>.?)", re.DOTALL)


def text_of(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """A value as a template writes it: texts and numbers as they are, others as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _index(value: Any, *keys: Any) -> Any:  # noqa: ANN401
    """An item of a list by its number from 0, or a field by its exact name."""
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif value is not None:
            if not isinstance(value, list) or not 0 <= key < len(value):
                raise InvalidValue(f"there is no item {text_of(key)}")
            value = value[key]
    return value


def _printf(form: str, *values: Any) -> str:  # noqa: ANN401
    """``%s``, ``%v``, ``%d`` and ``%q``, each for the next value; ``%-20s`` fills a column."""
    left = list(values)

    def fill(match: re.Match[str]) -> str:
        if match["kind"] == "%":
            return "%"
        if match["kind"] not in tuple("svdq"):
            raise InvalidValue(f"{match[0]} is not supported (use %s, %v, %d, %q or %-20s)")
        if not left:
            raise InvalidValue(f"there is no value for {match[0]}")
        value = left.pop(0)
        text = json.dumps(value, ensure_ascii=False) if match["kind"] == "q" else text_of(value)
        width = int(match["width"] or 0)
        return text.ljust(width) if match["left"] else text.rjust(width)

    text = _FORM.sub(fill, form)
    if left:
        raise InvalidValue("there are more values than places for them")
    return text


def _equal(value: Any, *others: Any) -> bool:  # noqa: ANN401
    """Whether it is one of the others. What is missing equals what is empty."""
    if not others:
        raise InvalidValue("it needs two values")
    return any(value == other or not (value or other) for other in others)


def _comparing(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """A comparison of two numbers or two texts. What is missing is the least of them."""

    def compared(left: Any, right: Any) -> bool:  # noqa: ANN401
        known = right if left is None else left
        least = type(known)()
        return compare(least if left is None else left, least if right is None else right)

    return compared


def _json(value: Any) -> str:  # noqa: ANN401
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _pretty(value: Any) -> str:  # noqa: ANN401
    return json.dumps(value, ensure_ascii=False, indent=2)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "default": lambda other, value: value or other,
    "eq": _equal,
    "ge": _comparing(operator.ge),
    "gt": _comparing(operator.gt),
    "index": _index,
    "join": lambda values, separator: text_of(separator).join(map(text_of, values or ())),
    "json": _json,
    "jsonPretty": _pretty,
    "le": _comparing(operator.le),
    "len": lambda value: len(value or ()),
    "lower": lambda text: text_of(text).lower(),
    "lt": _comparing(operator.lt),
    "ne": lambda value, other: not _equal(value, other),
    "not": operator.not_,
    "printPretty": lambda value: value if isinstance(value, str) else _pretty(value),
    "printf": _printf,
    "println": lambda *values: " ".join(map(text_of, values)) + "\n",
    "split": lambda text, separator: text_of(text).split(separator),
    "upper": lambda text: text_of(text).upper(),
}
"""The functions, by their names in Go or in the program that this follows."""
