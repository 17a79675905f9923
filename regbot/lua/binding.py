"""A binding is data: name, typed parameters, result, doc, and what it runs.

One declaration gives the Lua function, the check of its arguments, and the
reference page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from regbot.errors import InvalidValue, RegbotError, ScriptError, ScriptTimeout, Stopped
from regbot.lua.wire import indented
from regbot.units import parse_duration
from regbot.values import dataclass

NAME_LIMIT = 4096
"""Characters of a text that names something: a reference, a version, a duration."""

CALL_LIMIT = 256 * 1024
"""Bytes that the arguments of one call have, documents aside."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A value on its way between Lua and a binding.

    ``kind`` is empty for what JSON can hold, else the kind of object whose fields
    ``value`` holds: ``reference``, ``manifest``, ``[]Descriptor``, ... ``document`` is what
    a manifest or config was read into, where that is known; its text is in ``value`` too,
    unless it comes back from Lua.
    """

    kind: str
    value: Any
    document: Any = None

    @property
    def is_number(self) -> bool:
        """Whether it is a number."""
        return is_number(self.value) and not self.kind


def plain(value: object) -> Passed:
    """A result that JSON can hold."""
    return Passed("", value)


@dataclass(frozen=True, slots=True)
class Type:
    """What a parameter takes: its name in the docs, and how a passed value is read.

    ``read`` raises InvalidValue that says what is wrong with the value. ``lua`` is the
    type in LuaLS' words. ``limit`` is the length of a text in characters; None for a
    document, which may be as long as the config's ``blobLimit``. ``subject`` gives the
    reference that a value stands for, for errors.
    """

    name: str
    read: Callable[[Passed], Any]
    lua: str = "any"
    limit: int | None = NAME_LIMIT
    numeric: bool = False
    subject: Callable[[Any], str] | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a binding. ``default`` stands for a nil that is allowed."""

    name: str
    type: Type
    doc: str
    optional: bool = False
    default: Any = None

    def read(self, passed: Passed) -> Any:  # noqa: ANN401
        """The value that is passed. Raises InvalidValue.

        A number where an optional table or text belongs is an extra argument, as the
        count that ``gsub`` gives beside its text, and ignored.
        """
        if self.optional and (passed.value is None or self._is_extra(passed)):
            return self.default
        limit = self.type.limit
        if limit is not None and isinstance(passed.value, str) and len(passed.value) > limit:
            raise InvalidValue(f"has {len(passed.value)} characters, more than {limit}")
        return self.type.read(passed)

    def _is_extra(self, passed: Passed) -> bool:
        return passed.is_number and not self.type.numeric


@dataclass(frozen=True, slots=True)
class LocalContext:
    """What local bindings are told.

    ``document_limit`` is how many bytes a document may have, ``now`` what the clock
    stands at, in seconds since 1970; None for the real one.
    """

    document_limit: int
    now: float | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """A function scripts can call.

    ``run`` gets the context, the parameters' values by position, and the options
    by name where there are any. ``options`` are the keys of a last table argument.
    ``method_of`` are the kinds of object it is also a method of, under ``method``.
    ``changes`` says that it writes, which a dry run only records. ``local``: it needs
    no registry and no file, and runs in the script's own process.
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
    local: bool = False
    names: tuple[str, ...] = ()

    @property
    def all_names(self) -> tuple[str, ...]:
        """Its name and the older ones."""
        return (self.name, *self.names)

    def limit(self, document_limit: int) -> int:
        """Bytes that the arguments of one call may have, when a document may have so many."""
        documents = sum(parameter.type.limit is None for parameter in self.parameters)
        return CALL_LIMIT + documents * document_limit

    def call(self, name: str, context: object, arguments: Sequence[Passed]) -> Passed:
        """Check the arguments and run, under the name that the script used.

        Arguments beyond the parameters are ignored, as everywhere in Lua. Raises
        ScriptError that begins with the name and the reference it was about, and
        ScriptTimeout or Stopped when the run must end.
        """
        subject = ""
        try:
            values = self._values(arguments)
            options = self._options(arguments)
            subject = self._subject(values)
            return self.run(context, *values, **options)
        except (ScriptTimeout, Stopped):
            raise
        except RegbotError as error:
            raise ScriptError(f"{name}: {_about(subject, str(error))}") from error

    def _values(self, arguments: Sequence[Passed]) -> list[Any]:
        values = []
        for position, parameter in enumerate(self.parameters):
            passed = arguments[position] if position < len(arguments) else plain(None)
            try:
                values.append(parameter.read(passed))
            except InvalidValue as error:
                where = f"argument {position + 1} ({parameter.name})"
                raise InvalidValue(f"{where}: {error}") from None
        return values

    def _options(self, arguments: Sequence[Passed]) -> dict[str, Any]:
        position = len(self.parameters)
        if not self.options:
            return {}
        table = arguments[position] if position < len(arguments) else plain(None)
        named = {} if table.value in (None, []) or table.is_number else table.value
        where = f"argument {position + 1} (options)"
        if table.kind or not isinstance(named, Mapping):
            raise InvalidValue(f"{where}: expected a table, got {describe(table)}")
        known = {option.name: option for option in self.options}
        for name in named:
            if name not in known:
                raise InvalidValue(
                    f"{where}: unknown option {name[:NAME_LIMIT]!r} (known: {', '.join(known)})"
                )
        options = {}
        for name, option in known.items():
            value = option.default
            if named.get(name) is not None:
                try:
                    value = option.read(plain(named[name]))
                except InvalidValue as error:
                    raise InvalidValue(f"{where}: {name}: {error}") from None
            options[name] = value
        return options

    def _subject(self, values: Sequence[Any]) -> str:
        subjects = [
            parameter.type.subject(value)
            for parameter, value in zip(self.parameters, values, strict=True)
            if parameter.type.subject and value is not None
        ]
        return " -> ".join(subjects)


def _about(subject: str, text: str) -> str:
    """An error with the reference it is about, once, though the text may begin with it."""
    beginning, colon, rest = text.partition(": ")
    if not subject:
        return text
    return f"{subject}: {rest if colon and subject.startswith(beginning) else text}"


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


def is_number(value: object) -> bool:
    """Whether a value is a number; a boolean is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain_type(
    name: str,
    expected: str,
    accepts: Callable[[Any], bool],
    *,
    limit: int | None = NAME_LIMIT,
    numeric: bool = False,
) -> Type:
    def read(passed: Passed) -> Any:  # noqa: ANN401
        if passed.kind or not accepts(passed.value):
            raise InvalidValue(f"expected {expected}, got {describe(passed)}")
        return passed.value

    return Type(name, read, name, limit, numeric)


def _read_text(passed: Passed) -> str:
    """A text; a number is one too, as for Lua's own functions."""
    if passed.is_number:
        return f"{passed.value:.14g}"
    if passed.kind or not isinstance(passed.value, str):
        raise InvalidValue(f"expected a string, got {describe(passed)}")
    return passed.value


def _read_duration(passed: Passed) -> float:
    if passed.is_number:
        return float(passed.value)
    if passed.kind or not isinstance(passed.value, str):
        raise InvalidValue(f"expected a duration such as 30s, got {describe(passed)}")
    return parse_duration(passed.value)


def _read_any(passed: Passed) -> Any:  # noqa: ANN401
    """A value; an object is its text, as it is inside a table."""
    if not passed.kind:
        return passed.value
    raw = passed.value.get("raw")
    return passed.value["text"] if raw is None else indented(raw)


def _read_texts(passed: Passed) -> tuple[str, ...]:
    """An array of texts; a single one stands for itself."""
    values = [] if passed.value == {} else passed.value
    if isinstance(values, str) and not passed.kind:
        return (values,)
    if passed.kind or not isinstance(values, list):
        raise InvalidValue(f"expected an array of strings, got {describe(passed)}")
    return tuple(STRING.read(plain(value)) for value in values)


def _read_named_texts(passed: Passed) -> dict[str, str]:
    """A table from names to texts."""
    values = {} if passed.value == [] else passed.value
    if passed.kind or not isinstance(values, dict):
        raise InvalidValue(f"expected a table of strings, got {describe(passed)}")
    return {name: STRING.read(plain(value)) for name, value in values.items()}


STRING = Type("string", _read_text, "string", numeric=True)
TEXT = Type("string", _read_text, "string", limit=None, numeric=True)
STRINGS = Type("array of strings", _read_texts, "string[]")
NAMED_STRINGS = Type("table of strings", _read_named_texts, "table<string, string>")
BOOLEAN = _plain_type("boolean", "a boolean", lambda value: isinstance(value, bool))
NUMBER = _plain_type("number", "a number", is_number, numeric=True)
COUNT = _plain_type(
    "integer",
    "a whole number above 0",
    lambda value: isinstance(value, int) and is_number(value) and value > 0,
    numeric=True,
)
TABLE = _plain_type("table", "a table", lambda value: isinstance(value, list | dict))
DOCUMENT = _plain_type("table", "a table", lambda value: isinstance(value, list | dict), limit=None)
ANY = Type("any", _read_any, limit=None, numeric=True)
DURATION = Type("duration", _read_duration, "string|number", numeric=True)
