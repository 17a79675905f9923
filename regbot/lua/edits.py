"""What a script edited, put back into the JSON it came from.

Fields that were not touched keep their exact form: their order, a null, a big
number, a time in its own notation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regbot.errors import InvalidValue
from regbot.units import format_moment, go_form, parse_moment


def with_edits(original: Any, edited: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The original with what differs in ``edited``, the script's view of it.

    In that view nulls are absent, times are in Go's form, and an empty table is
    both an empty object and an empty array; empty ones may have been added by a
    mere look at a field.
    """
    if isinstance(original, Mapping):
        if edited in ({}, []):
            return {key: value for key, value in original.items() if value is None}
        return _with_object_edits(original, edited) if isinstance(edited, Mapping) else edited
    if isinstance(original, list):
        if edited in ({}, []):
            return []
        return _with_array_edits(original, edited) if isinstance(edited, list) else edited
    return _with_scalar_edit(original, edited)


def _with_object_edits(original: Mapping[str, Any], edited: Mapping[str, Any]) -> dict[str, Any]:
    result = {
        key: value if value is None else with_edits(value, edited[key])
        for key, value in original.items()
        if value is None or key in edited
    }
    added = {
        key: value
        for key, value in edited.items()
        if original.get(key) is None and value not in ({}, [])
    }
    return {**result, **added}


def _with_array_edits(original: list[Any], edited: list[Any]) -> list[Any]:
    """Elements may have moved, so each is looked for before it is compared by place."""
    result = []
    for position, element in enumerate(edited):
        counterpart = original[position : position + 1]
        same = next((each for each in counterpart + original if _looks_same(each, element)), None)
        if same is not None:
            result.append(same)
        else:
            result.append(with_edits(counterpart[0], element) if counterpart else element)
    return result


def _looks_same(original: Any, edited: Any) -> bool:  # noqa: ANN401
    return bool(with_edits(original, edited) == original)


def _with_scalar_edit(original: Any, edited: Any) -> Any:  # noqa: ANN401
    if isinstance(original, str) and isinstance(edited, str):
        return _with_text_edit(original, edited)
    if isinstance(original, int | float) and not isinstance(original, bool):
        same = isinstance(edited, int | float) and float(original) == float(edited)
        return original if same else edited
    return edited


def _with_text_edit(original: str, edited: str) -> str:
    seen = go_form(original)
    if edited in (original, seen):
        return original
    if seen == original:
        return edited
    try:
        return format_moment(parse_moment(edited))
    except InvalidValue:
        return edited
