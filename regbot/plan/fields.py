"""Objects of a plan file, read key by key: each value is checked, and no key is left over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from regbot.errors import InvalidValue
from regbot.oci.manifest import SIZE_LIMIT
from regbot.units import format_moment

T = TypeVar("T")
D = TypeVar("D")

Kind = Callable[[object], T]
"""Checks a value of a file. Raises InvalidValue."""


class Fields:
    """An object whose keys are read one after the other. Raises InvalidValue if it is none."""

    def __init__(self, data: object) -> None:
        if not isinstance(data, dict):
            raise InvalidValue("an object is expected")
        self._left = dict(data)

    def read(self, key: str, kind: Kind[T]) -> T:
        """The value of a key that has to be there. Raises InvalidValue."""
        if key not in self._left:
            raise InvalidValue(f"{key} is missing")
        try:
            return kind(self._left.pop(key))
        except InvalidValue as error:
            raise InvalidValue(f"{key}: {error}") from None

    def get(self, key: str, kind: Kind[T], default: D) -> T | D:
        """The value of a key that may be missing. Raises InvalidValue."""
        return self.read(key, kind) if key in self._left else default

    def end(self) -> None:
        """Raise InvalidValue for a key that was not read."""
        for key in self._left:
            raise InvalidValue(f"{key}: there is no such key here")


def string(value: object) -> str:
    """A text as it is."""
    if not isinstance(value, str):
        raise InvalidValue("a text is expected")
    return value


def text(value: object) -> str:
    """A text that can be written: half a surrogate pair becomes an escape."""
    return escaped(string(value))


def escaped(text: str) -> str:
    """A text in which half a surrogate pair is an escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def switch(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise InvalidValue("true or false is expected")
    return value


def whole_number(value: object) -> int:
    """A number without a fraction, 0 or more, as sizes are."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < SIZE_LIMIT:
        raise InvalidValue("a whole number is expected, 0 or more and less than 2^63")
    return value


def moment(value: object) -> float:
    """A time in seconds since 1970."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidValue("a number of seconds is expected")
    format_moment(value)
    return float(value)


def parsed(parse: Callable[[str], T]) -> Kind[T]:
    """What ``parse`` reads from a text."""

    def read(value: object) -> T:
        try:
            return parse(string(value))
        except ValueError as error:
            raise InvalidValue(str(error)) from None

    return read


def nullable(kind: Kind[T]) -> Kind[T | None]:
    """A value of a kind, or null."""
    return lambda value: None if value is None else kind(value)


def list_of(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    """A list of values of a kind."""

    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise InvalidValue("a list is expected")
        return tuple(map(kind, value))

    return read


def table_of(kind: Kind[T]) -> Kind[dict[str, T]]:
    """An object whose values are of a kind, by names."""

    def read(value: object) -> dict[str, T]:
        if not isinstance(value, dict):
            raise InvalidValue("an object is expected")
        return {text(name): kind(each) for name, each in value.items()}

    return read
