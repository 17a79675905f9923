"""Lua values as JSON has them, and back, for what crosses a script's border."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from regbot.lua.wire import to_bytes, to_text

MAX_DEPTH = 100
_COST = 16
"""Bytes that a value counts for beside its text."""

_LONGEST_INTEGER = 2**63
_HALF_PAIR = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")


class CannotCross(Exception):
    """A value can't leave the script; the text says why."""


class _TooMuch(Exception):
    """The values have more bytes than they may."""


class Conversion:
    """Converts the values of one Lua state.

    ``lupa`` is the module of its flavour, ``lua`` its runtime. ``memory`` is how many
    bytes of Lua the values made here may bring it to. ``text_of`` gives an object's text.
    """

    def __init__(
        self,
        lupa: Any,  # noqa: ANN401
        lua: Any,  # noqa: ANN401
        memory: int,
        text_of: Callable[[Any], str | None],
    ) -> None:
        self._type_of = lupa.lua_type
        self._lua = lua
        self._table_from = lua.table_from
        self._memory = memory
        self._text_of = text_of
        self._left = 0

    def to_python(self, values: tuple[Any, ...], limit: int, what: str) -> list[Any]:
        """Lua values as JSON has them, of ``limit`` bytes altogether.

        A number that JSON lacks is null, an object its text. ``what`` they are is for
        the error. Raises CannotCross for a function and its like, for tables that are
        nested too deep, and for more bytes.
        """
        self._left = limit
        try:
            return [self._to_python(value, 0) for value in values]
        except _TooMuch:
            raise CannotCross(f"{what} have more than {limit} bytes") from None

    def _to_python(self, value: Any, depth: int) -> Any:  # noqa: ANN401
        self._left -= _COST
        if isinstance(value, bytes):
            self._left -= len(value)
        if self._left < 0:
            raise _TooMuch
        if isinstance(value, bytes):
            return to_text(value)
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return _plain_number(value)
        kind = self._type_of(value)
        if kind == "table":
            return self._table_to_python(value, depth)
        text = self._text_of(value) if kind == "userdata" else None
        if text is None:
            raise CannotCross(f"a {kind} can't be used here")
        self._left -= len(text)
        return text

    def _table_to_python(self, table: Any, depth: int) -> Any:  # noqa: ANN401
        if depth >= MAX_DEPTH:
            raise CannotCross(f"a table is nested deeper than {MAX_DEPTH} levels")
        entries = {key: self._to_python(item, depth + 1) for key, item in table.items()}
        if entries and all(isinstance(key, int) for key in entries):
            count = len(entries)
            if all(position in entries for position in range(1, count + 1)):
                return [entries[position] for position in range(1, count + 1)]
        return {self._key(key): item for key, item in entries.items()}

    def _key(self, key: Any) -> str:  # noqa: ANN401
        if isinstance(key, bytes):
            self._left -= len(key)
            return to_text(key)
        if isinstance(key, float) and key.is_integer():
            key = int(key)
        return str(key)

    def to_lua(self, value: Any) -> Any:  # noqa: ANN401
        """A JSON value as Lua has it; a null within it is nothing.

        An integer of more than 64 bits is the nearest number that Lua has, half a
        surrogate pair the replacement character. Raises MemoryError when the script's
        memory is used up.
        """
        if isinstance(value, str):
            return lua_text(value)
        if isinstance(value, dict):
            to_lua = self.to_lua
            return self._new_table(
                {lua_text(key): to_lua(item) for key, item in value.items() if item is not None}
            )
        if isinstance(value, list | tuple):
            return self._new_table([self.to_lua(item) for item in value])
        if isinstance(value, int) and not -_LONGEST_INTEGER <= value < _LONGEST_INTEGER:
            return _nearest(value)
        if value is None or isinstance(value, bool | int | float):
            return value
        raise TypeError(f"a {type(value).__name__} is not a JSON value")

    def _new_table(self, content: Mapping[bytes, Any] | list[Any]) -> Any:  # noqa: ANN401
        if self._lua.get_memory_used() > self._memory:
            raise MemoryError
        return self._table_from(content)


def lua_text(text: str) -> bytes:
    """A text as a Lua string; half a surrogate pair is the replacement character."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return to_bytes(_HALF_PAIR.sub("\ufffd", text))


def _nearest(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def _plain_number(value: float) -> int | float | None:
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
