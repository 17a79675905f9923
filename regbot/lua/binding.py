"""A binding is data: name, typed parameters, result, doc, and what it runs.

One declaration gives the Lua function, the check of its arguments, and the
reference page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from regbot.errors import InvalidValue
from regbot.units import parse_duration


@dataclass(frozen=True, slots=True)
class Passed:
    """A value on its way between Lua and a binding.

    ``kind`` is empty for what JSON can hold, else the kind of object whose fields
    ``value`` holds: ``reference``, ``manifest``, ``[]Descriptor``, ...
    """

    kind: str
    value: Any


def plain(value: object) -> Passed:
    """A result that JSON can hold."""
    return Passed("", value)


@dataclass(frozen=True, slots=True)
class Type:
    """What a parameter takes: its name in the docs, and how a passed value is read.

    ``read`` raises InvalidValue that says what is wrong with the value. ``lua`` is
    the type in LuaLS' words.
    """

    name: str
    read: Callable[[Passed], Any]
    lua: str = "any"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a binding. ``default`` stands for a nil that is allowed."""

    name: str
    type: Type
    doc: str
    optional: bool = False
    default: Any = None


@dataclass(frozen=True, slots=True)
class Binding:
    """A function scripts can call.

    ``run`` gets the context, the parameters' values by position, and the options
    by name where there are any. ``options`` are the keys of a last table argument.
    ``method_of`` are the kinds of object it is also a method of, under ``method``.
    ``changes`` says that it writes, which a dry run only records.
    """

    name: str
    doc: str
    run: Callable[..., Passed]
    parameters: tuple[Parameter, ...] = ()
    options: tuple[Parameter, ...] = ()
    result: str = ""
    method_of: tuple[str, ...] = ()
    method: str = ""
    changes: bool = False
    names: tuple[str, ...] = field(default=())

    @property
    def all_names(self) -> tuple[str, ...]:
        """Its name and the older ones."""
        return (self.name, *self.names)

    def call(self, context: object, arguments: Sequence[Passed]) -> Passed:
        """Check the arguments and run. Raises InvalidValue that names the argument."""
        if len(arguments) > len(self.parameters) + bool(self.options):
            count = len(self.parameters) + bool(self.options)
            given = arguments[count:]
            if any(extra.value is not None for extra in given):
                raise InvalidValue(f"takes {count} arguments, got {len(arguments)}")
        values = [
            _read(parameter, position, arguments)
            for position, parameter in enumerate(self.parameters)
        ]
        if not self.options:
            return self.run(context, *values)
        position = len(self.parameters)
        table = arguments[position] if position < len(arguments) else plain(None)
        return self.run(context, *values, **self._options(position, table))

    def _options(self, position: int, table: Passed) -> dict[str, Any]:
        given = {} if table.value in (None, []) else table.value
        where = f"argument {position + 1} (options)"
        if table.kind or not isinstance(given, Mapping):
            raise InvalidValue(f"{where}: expected a table, got {describe(table)}")
        known = {option.name: option for option in self.options}
        for name in given:
            if name not in known:
                raise InvalidValue(f"{where}: unknown option {name!r} (known: {', '.join(known)})")
        options = {}
        for name, option in known.items():
            value = option.default
            if given.get(name) is not None:
                try:
                    value = option.type.read(plain(given[name]))
                except InvalidValue as error:
                    raise InvalidValue(f"{where}: {name}: {error}") from None
            options[name] = value
        return options


def _read(parameter: Parameter, position: int, arguments: Sequence[Passed]) -> Any:  # noqa: ANN401
    passed = arguments[position] if position < len(arguments) else plain(None)
    if passed.value is None and parameter.optional:
        return parameter.default
    try:
        return parameter.type.read(passed)
    except InvalidValue as error:
        raise InvalidValue(f"argument {position + 1} ({parameter.name}): {error}") from None


def describe(passed: Passed) -> str:
    """What a value is, in Lua's words."""
    if passed.kind:
        return f"a {passed.kind}"
    words = (
        (type(None), "nil"),
        (bool, "a boolean"),
        (int, "a number"),
        (float, "a number"),
        (str, "a string"),
    )
    return next((word for kind, word in words if isinstance(passed.value, kind)), "a table")


def _plain_type(name: str, expected: str, accepts: Callable[[Any], bool]) -> Type:
    def read(passed: Passed) -> Any:  # noqa: ANN401
        if passed.kind or not accepts(passed.value):
            raise InvalidValue(f"expected {expected}, got {describe(passed)}")
        return passed.value

    return Type(name, read, name)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


STRING = _plain_type("string", "a string", lambda value: isinstance(value, str))
BOOLEAN = _plain_type("boolean", "a boolean", lambda value: isinstance(value, bool))
NUMBER = _plain_type("number", "a number", _is_number)
INTEGER = _plain_type(
    "integer", "a whole number", lambda value: _is_number(value) and isinstance(value, int)
)
COUNT = _plain_type(
    "integer",
    "a whole number above 0",
    lambda value: _is_number(value) and isinstance(value, int) and value > 0,
)
TABLE = _plain_type("table", "a table", lambda value: isinstance(value, list | dict))
ANY = Type("any", lambda passed: passed.value)


def _duration(passed: Passed) -> float:
    if _is_number(passed.value):
        return float(passed.value)
    if not isinstance(passed.value, str):
        raise InvalidValue(f"expected a duration such as 30s, got {describe(passed)}")
    return parse_duration(passed.value)


DURATION = Type("duration", _duration, "string|number")
