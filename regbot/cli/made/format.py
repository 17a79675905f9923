"""The template of ``--format``: a part of what Go's templates can do.

    {{.Digest}}  {{.Config.Labels}}  {{index .Config.Labels "a.b"}}  {{json .}}
    {{range .Layers}}{{println .Digest}}{{end}}  {{if .Variant}}...{{else}}...{{end}}

A field is found whatever the case of its name, and without its dots and underscores: both
``.RootFS.DiffIDs`` and ``.rootfs.diff_ids`` will do. One that is missing is empty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from regbot.errors import UsageError
from regbot.values import dataclass

_ACTION = re.compile(r"\{\{(?P<before>-\s)?(?P<body>.*?)(?P<after>\s-)?\}\}", re.DOTALL)
_TOKEN = re.compile(
    r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<raw>`[^`]*`)|(?P<number>-?[0-9]+)'
    r"|(?P<field>\.[A-Za-z_0-9.]*)|(?P<name>[A-Za-z]+)|(?P<sign>[|()]))"
)
_BLOCKS = ("range", "if")

Token = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Text:
    """A text as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class _Value:
    """A value that is written in place of an action."""

    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class _Block:
    """A part that is written for each item of a value, or if there is one; else another part."""

    kind: str
    tokens: tuple[Token, ...]
    inner: tuple[_Node, ...]
    other: tuple[_Node, ...]


_Node = _Text | _Value | _Block


class Template:
    """A template that was read. Raises UsageError for a mistake in it."""

    def __init__(self, text: str) -> None:
        parts = list(_parts(text))
        try:
            self._nodes, end = _read(parts, 0)
            if end < len(parts):
                raise UsageError(f"--format: {{{{{parts[end].text}}}}} without its beginning")
            for _ in self._written(self._nodes, None, only_checked=True):
                """A name that is no function is a mistake whatever the value is."""
        except RecursionError:
            raise UsageError("--format: it is nested too deep") from None

    def render(self, value: Any) -> str:  # noqa: ANN401 - any JSON value
        """The template with a value filled in. Raises UsageError where it can't be."""
        return "".join(self._written(self._nodes, value))

    def _written(
        self,
        nodes: Sequence[_Node],
        value: Any,  # noqa: ANN401
        *,
        only_checked: bool = False,
    ) -> Iterator[str]:
        for node in nodes:
            match node:
                case _Text():
                    yield node.text
                case _Value():
                    yield text_of(_Reading(node.tokens, value, only_checked=only_checked).result())
                case _Block():
                    reading = _Reading(node.tokens, value, only_checked=only_checked)
                    operand = reading.result()
                    if only_checked:
                        yield from self._written(node.inner, None, only_checked=True)
                        yield from self._written(node.other, None, only_checked=True)
                        continue
                    for item in _items(node.kind, operand, value):
                        yield from self._written(node.inner, item)
                    if not operand:
                        yield from self._written(node.other, value)


def text_of(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """A value as a template writes it: texts and numbers as they are, others as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _items(kind: str, operand: Any, value: Any) -> Sequence[Any]:  # noqa: ANN401
    if kind == "if":
        return [value] if operand else []
    if operand and not isinstance(operand, list | Mapping):
        raise UsageError(f"--format: range needs a list, not {json.dumps(operand)}")
    return list(operand.values()) if isinstance(operand, Mapping) else operand or []


@dataclass(frozen=True, slots=True)
class _Part:
    """A text, or with ``is_action`` what is between ``{{`` and ``}}``."""

    text: str
    is_action: bool = False


def _parts(text: str) -> Iterator[_Part]:
    position = 0
    trims = False
    for action in _ACTION.finditer(text):
        literal = text[position : action.start()]
        literal = literal.lstrip() if trims else literal
        yield _Part(literal.rstrip() if action["before"] else literal)
        yield _Part(action["body"].strip(), is_action=True)
        position, trims = action.end(), action["after"] is not None
    rest = text[position:]
    if "{{" in rest:
        raise UsageError("--format: {{ without }} (close it)")
    yield _Part(rest.lstrip() if trims else rest)


def _read(parts: Sequence[_Part], position: int) -> tuple[tuple[_Node, ...], int]:
    """The nodes up to the ``end`` or ``else`` that is not theirs, and its position."""
    nodes: list[_Node] = []
    while position < len(parts):
        part = parts[position]
        word, _, rest = part.text.partition(" ")
        if not part.is_action:
            nodes.append(_Text(part.text))
        elif word in ("end", "else"):
            break
        elif word in _BLOCKS:
            inner, position = _read(parts, position + 1)
            other: tuple[_Node, ...] = ()
            if position < len(parts) and parts[position].text == "else":
                other, position = _read(parts, position + 1)
            if position >= len(parts) or parts[position].text != "end":
                raise UsageError(f"--format: {{{{{part.text}}}}} without {{{{end}}}}")
            nodes.append(_Block(word, _tokens(rest), inner, other))
        else:
            nodes.append(_Value(_tokens(part.text)))
        position += 1
    return tuple(nodes), position


def _tokens(text: str) -> tuple[Token, ...]:
    tokens: list[Token] = []
    position = 0
    while text[position:].strip():
        token = _TOKEN.match(text, position)
        if token is None:
            raise UsageError(f"--format: {text[position:].strip()!r} can't be read")
        kind = token.lastgroup or ""
        tokens.append((kind, token[kind]))
        position = token.end()
    if not tokens:
        raise UsageError("--format: a value is missing (write one such as {{.Digest}})")
    return tuple(tokens)


class _Reading:
    """One action that is worked out. ``only_checked``: there is no value to work with yet."""

    def __init__(self, tokens: Sequence[Token], value: Any, *, only_checked: bool) -> None:  # noqa: ANN401
        self._tokens = list(tokens)
        self._value = value
        self._only_checked = only_checked

    def result(self) -> Any:  # noqa: ANN401
        """What it stands for."""
        result = self._pipeline()
        if self._tokens:
            raise UsageError(f"--format: {self._tokens[0][1]!r} is too much here")
        return result

    def _pipeline(self) -> Any:  # noqa: ANN401
        result = self._command(())
        while self._tokens and self._tokens[0][1] == "|":
            self._tokens.pop(0)
            result = self._command((result,))
        return result

    def _command(self, piped: tuple[Any, ...]) -> Any:  # noqa: ANN401
        if not self._tokens or self._tokens[0][0] != "name":
            return self._operand()
        name = self._tokens.pop(0)[1]
        function = _FUNCTIONS.get(name)
        if function is None:
            raise UsageError(f"--format: no function {name!r} (known: {', '.join(_FUNCTIONS)})")
        arguments: list[Any] = []
        while self._tokens and self._tokens[0][1] not in ("|", ")"):
            arguments.append(self._operand())
        if self._only_checked:
            return None
        try:
            return function(*arguments, *piped)
        except (TypeError, ValueError, LookupError):
            raise UsageError(f"--format: {name} can't be used like this") from None

    def _operand(self) -> Any:  # noqa: ANN401
        if not self._tokens:
            raise UsageError("--format: a value is missing (write one such as {{.Digest}})")
        kind, text = self._tokens.pop(0)
        match kind:
            case "string" | "number":
                return _literal(text)
            case "raw":
                return text[1:-1]
            case "field":
                return None if self._only_checked else _field(self._value, text)
        if text != "(":
            raise UsageError(f"--format: {text!r} is not expected here")
        result = self._pipeline()
        if not self._tokens or self._tokens.pop(0)[1] != ")":
            raise UsageError("--format: ( without )")
        return result


def _literal(text: str) -> Any:  # noqa: ANN401
    """A text in quotes, with the escapes of JSON, or a number."""
    try:
        return json.loads(text)
    except ValueError:
        raise UsageError(
            f"--format: {text[:40]} can't be read (escapes are those of JSON)"
        ) from None


def _field(value: Any, path: str) -> Any:  # noqa: ANN401
    """What a path such as ``.Config.Labels`` leads to, or None."""
    for name in filter(None, path.split(".")):
        if not isinstance(value, Mapping):
            return None
        fitting = (key for key in value if key == name)
        alike = (key for key in value if _plain(key) == _plain(name))
        key = next(fitting, next(alike, None))
        value = None if key is None else value[key]
    return value


def _plain(name: str) -> str:
    return name.replace("_", "").replace(".", "").lower()


def _index(value: Any, *keys: Any) -> Any:  # noqa: ANN401
    """An item of a list by its number from 0, or a field by its exact name."""
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif value is not None:
            value = value[key]
    return value


def _printf(form: str, *values: Any) -> str:  # noqa: ANN401
    """``%s``, ``%v``, ``%d`` and ``%q``, each for the next value."""
    left = list(values)

    def fill(match: re.Match[str]) -> str:
        if match[1] == "%":
            return "%"
        value = left.pop(0)
        return json.dumps(value, ensure_ascii=False) if match[1] == "q" else text_of(value)

    return re.sub(r"%([svdq%])", fill, form)


def _json(value: Any) -> str:  # noqa: ANN401
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _pretty(value: Any) -> str:  # noqa: ANN401
    return json.dumps(value, ensure_ascii=False, indent=2)


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "json": _json,
    "jsonPretty": _pretty,
    "printPretty": lambda value: value if isinstance(value, str) else _pretty(value),
    "index": _index,
    "len": lambda value: len(value or ()),
    "join": lambda values, separator: text_of(separator).join(map(text_of, values or ())),
    "split": lambda text, separator: text_of(text).split(separator),
    "lower": lambda text: text_of(text).lower(),
    "upper": lambda text: text_of(text).upper(),
    "default": lambda other, value: value or other,
    "printf": _printf,
    "println": lambda *values: " ".join(map(text_of, values)) + "\n",
}
"""The functions, by their names in Go or in the program that this follows."""
