"""Values as plain objects of JSON and back, from a table of their fields.

What has its default is left out, so that an object holds no more than is worth saying.
Whatever is read is checked; a key that nobody knows is a mistake.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any, Generic, TypeVar

from regbot.errors import InvalidValue
from regbot.plan.fields import Fields, Kind
from regbot.values import dataclass

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """How a field is written and read."""

    write: Callable[[Any], object]
    read: Kind[T]


class Shape(Generic[T]):
    """The objects of one kind of value; ``parts`` are all of its fields."""

    def __init__(self, kind: Callable[..., T], parts: Mapping[str, Part[Any]]) -> None:
        fields: Any = kind
        self._kind = kind
        self._parts = parts
        self._defaults = {each.name: _default(each) for each in dataclasses.fields(fields)}
        if self._defaults.keys() != parts.keys():
            raise TypeError(f"{kind}: {self._defaults.keys() ^ parts.keys()} differ")

    def write(self, value: T) -> dict[str, Any]:
        """The object of a value."""
        return {
            name: part.write(held)
            for name, part in self._parts.items()
            if (held := getattr(value, name)) != self._defaults[name]
        }

    def read(self, data: object) -> T:
        """The value of an object. Raises InvalidValue."""
        fields = Fields(data)
        values = {
            name: fields.read(name, part.read)
            if default is MISSING
            else fields.get(name, part.read, default)
            for (name, part), default in zip(
                self._parts.items(), map(self._defaults.get, self._parts), strict=True
            )
        }
        fields.end()
        try:
            return self._kind(**values)
        except ValueError as error:
            raise InvalidValue(str(error)) from None

    @property
    def part(self) -> Part[T]:
        """A field that holds such a value."""
        return Part(self.write, self.read)


def many(part: Part[T]) -> Part[tuple[T, ...]]:
    """A field that holds any number of values."""

    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise InvalidValue("a list is expected")
        return tuple(map(part.read, value))

    return Part(lambda values: list(map(part.write, values)), read)


def maybe(part: Part[T]) -> Part[T | None]:
    """A field that may hold nothing, as null."""
    return Part(
        lambda value: None if value is None else part.write(value),
        lambda value: None if value is None else part.read(value),
    )


def _default(each: dataclasses.Field[Any]) -> object:
    return each.default if each.default_factory is MISSING else each.default_factory()
