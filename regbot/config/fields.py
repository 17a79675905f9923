"""The kinds of values that keys take: how each is read, and the error for other values.

Each kind is a type for the sections of the schema. It reads the text that stands in the
file, so YAML's own guesses (``yes`` is true, ``1:30`` is 90) never count. Where 0 or an
empty text means the default, the kind gives None, as for a key that is not set.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from typing import Annotated, TypeVar

from pydantic import AfterValidator, PlainValidator
from pydantic_core import PydanticCustomError

from regbot.config.document import Mapping, Node, Scalar, Sequence, shown
from regbot.errors import InvalidValue
from regbot.plan.guard import Protection
from regbot.run.schedule import Schedule
from regbot.run.zones import parse_timezone
from regbot.units import parse_duration, parse_size

_T = TypeVar("_T")

_TRUE = frozenset({"true", "yes", "on", "y"})
_FALSE = frozenset({"false", "no", "off", "n"})
_MAX_LENGTH = 200
_MIN_MEMORY = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Expected:
    """What an error says of a kind of value: its name, and how to write one."""

    what: str
    hint: str


TEXT = Expected("a string", "put it between quotes")
FLAG = Expected("true or false", "write true or false")
COUNT = Expected("a number", "write 0 or more")
VERSION = Expected("the number 1", "write version: 1")
RATE = Expected("a number", "write one such as 0.5; 0 for no limit")
PERCENT = Expected("a percentage", "write a number from 0 to 100, such as 25")
DURATION = Expected("a duration such as 30s", "write one such as 30s, 1h15m or 7d")
SIZE = Expected("a size", "write a number of bytes, or a size such as 512KiB or 4MiB")
SCHEDULE = Expected("a schedule", 'write five fields such as "15 3 * * *"')
TIMEZONE = Expected("a time zone", "write one such as UTC or Europe/Paris")
VARIABLE = Expected("the name of an environment variable", "write one such as MY_NAME")
CACHE = Expected("off or a mapping", "write off, or one such as {size: 1GiB}")
ARGUMENTS = Expected("a mapping", "write one such as {days: 30}")


def mistake(what: str, offset: int | None = None) -> PydanticCustomError:
    """An error whose text is shown as it is, ``offset`` characters into the value."""
    return PydanticCustomError("mistake", "{what}", {"what": what, "offset": offset})


def unexpected(value: object, expected: Expected) -> PydanticCustomError:
    """The error for a value of another kind."""
    if isinstance(value, str):
        kind = shown(value) if value else "an empty string"
    elif isinstance(value, Scalar):
        kind = "a string"
    else:
        kind = "a mapping" if isinstance(value, Mapping) else "a list"
    return mistake(f"expected {expected.what}, not {kind} ({expected.hint})")


def text_of(value: object, expected: Expected = TEXT) -> str:
    """The text of a scalar. A list or mapping is an error that says what was expected."""
    if isinstance(value, Scalar):
        return value.text
    raise unexpected(value, expected)


def word_of(value: object, expected: Expected = TEXT) -> str:
    """The text of a scalar without the space around it, at most 200 characters of it."""
    text = text_of(value, expected)
    if len(text) > _MAX_LENGTH:
        raise mistake(f"expected {expected.what}, not {len(text)} characters ({expected.hint})")
    return text.strip()


def clean_text_of(value: object) -> str:
    """The text of a scalar, without NUL and lone surrogates."""
    return require_clean(text_of(value))


def require_clean(text: str) -> str:
    """The text as it is. One with NUL or a lone surrogate is an error."""
    if "\0" in text or re.search("[\ud800-\udfff]", text):
        raise mistake("the text contains a character that is not allowed (is the file UTF-8?)")
    return text


def _name(value: object) -> str:
    text = clean_text_of(value).strip()
    if not text:
        raise mistake("the name is empty (give the script a name)")
    return text


def flag_of(value: object, expected: Expected = FLAG) -> bool:
    """Whether a scalar says yes. One that says neither yes nor no is an error."""
    word = word_of(value, expected)
    if word.lower() not in _TRUE | _FALSE:
        raise unexpected(word, expected)
    return word.lower() in _TRUE


def _flag(value: object) -> bool:
    return flag_of(value)


def _inverted_flag(value: object) -> bool:
    return not flag_of(value)


def _count(value: object) -> int:
    text = word_of(value, COUNT)
    if not re.fullmatch(r"[-+]?[0-9]{1,9}", text):
        raise unexpected(text, COUNT)
    if int(text) < 0:
        raise mistake(f"{shown(text)} is negative ({COUNT.hint})")
    return int(text)


def _positive_count(value: object) -> int | None:
    return _count(value) or None


def _version(value: object) -> int:
    text = word_of(value, VERSION)
    if re.fullmatch(r"[0-9]{1,9}", text) and int(text) > 1:
        raise mistake(f"version {int(text)} is newer than this regbot knows ({VERSION.hint})")
    if text not in ("0", "1"):
        raise unexpected(text, VERSION)
    return int(text)


def _rate(value: object) -> float:
    text = word_of(value, RATE)
    if not re.fullmatch(r"[-+]?(?:[0-9]{1,9}(?:\.[0-9]*)?|\.[0-9]+)", text):
        raise unexpected(text, RATE)
    if float(text) < 0:
        raise mistake(f"{shown(text)} is negative ({RATE.hint})")
    return float(text)


def _percent(value: object) -> float:
    text = word_of(value, PERCENT).removesuffix("%").strip()
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", text) or float(text) > 100:
        raise unexpected(text, PERCENT)
    return float(text)


def _duration(value: object) -> float | None:
    text = word_of(value, DURATION)
    try:
        seconds = parse_duration(text)
    except InvalidValue:
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            raise mistake(
                f"{shown(text)} is a duration without a unit (for seconds write {text}s)"
            ) from None
        raise unexpected(text, DURATION) from None
    if seconds < 0:
        raise mistake(f"{shown(text)} is negative ({DURATION.hint})")
    return seconds or None


def _size_or_nothing(value: object) -> int:
    text = word_of(value, SIZE)
    try:
        return parse_size(text)
    except InvalidValue:
        raise unexpected(text, SIZE) from None


def _size(value: object) -> int | None:
    return _size_or_nothing(value) or None


def _size_or_unlimited(value: object) -> int | None:
    return -1 if word_of(value, SIZE) == "-1" else _size(value)


def _memory(value: object) -> int:
    size = _size(value) or 0
    if size < _MIN_MEMORY:
        raise mistake("Lua doesn't start with less than 1MiB (write a size such as 256MiB)")
    return size


def _schedule(value: object) -> str | None:
    text = word_of(value, SCHEDULE)
    if text:
        try:
            Schedule.parse(text, UTC)
        except InvalidValue as error:
            raise mistake(str(error)) from None
    return text or None


def _timezone(value: object) -> str | None:
    text = word_of(value, TIMEZONE)
    if text:
        try:
            parse_timezone(text)
        except InvalidValue as error:
            raise mistake(str(error)) from None
    return text or None


def _variable(value: object) -> str:
    text = word_of(value, VARIABLE)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text):
        raise unexpected(text, VARIABLE)
    return text


def _header(value: object) -> str:
    text = word_of(value)
    if not re.fullmatch(r"[ -~]*", text):
        raise mistake("a user agent may contain only ASCII characters (remove the others)")
    return text


def _pattern(value: object) -> Protection:
    try:
        return Protection.parse(text_of(value))
    except InvalidValue as error:
        raise mistake(f"{error} (write a glob such as v*, or regex:...)") from None


def _arguments(value: object) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise unexpected(value, ARGUMENTS)
    return {key: _lua_value(entry.value) for key, entry in value.entries.items()}


def _lua_value(node: Node) -> object:
    """A value under ``args``: the booleans and numbers of YAML 1.2, else the text.

    A number that would lose digits (more than 15, or leading zeros) stays text.
    """
    if isinstance(node, Mapping):
        return {key: _lua_value(entry.value) for key, entry in node.entries.items()}
    if isinstance(node, Sequence):
        return [_lua_value(item) for item in node.items]
    text = node.text
    if node.style:
        return text
    if node.is_null:
        return None
    if text.lower() in ("true", "false") and text[1:].islower():
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?(?:0|[1-9][0-9]{0,14})", text):
        return int(text)
    if re.fullmatch(r"[-+]?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,2})?", text):
        return float(text)
    return text


def unique(values: tuple[_T, ...]) -> tuple[_T, ...]:
    """The values in their order, each once."""
    return tuple(dict.fromkeys(values))


Text = Annotated[str, PlainValidator(clean_text_of)]
Name = Annotated[str, PlainValidator(_name)]
Flag = Annotated[bool, PlainValidator(_flag)]
InvertedFlag = Annotated[bool, PlainValidator(_inverted_flag)]
Version = Annotated[int, PlainValidator(_version)]
Count = Annotated[int, PlainValidator(_count)]
PositiveCount = Annotated[int | None, PlainValidator(_positive_count)]
Rate = Annotated[float, PlainValidator(_rate)]
Percent = Annotated[float, PlainValidator(_percent)]
Duration = Annotated[float | None, PlainValidator(_duration)]
Size = Annotated[int | None, PlainValidator(_size)]
SizeOrNothing = Annotated[int, PlainValidator(_size_or_nothing)]
SizeOrUnlimited = Annotated[int | None, PlainValidator(_size_or_unlimited)]
Memory = Annotated[int, PlainValidator(_memory)]
Cron = Annotated[str | None, PlainValidator(_schedule)]
Timezone = Annotated[str | None, PlainValidator(_timezone)]
Header = Annotated[str, PlainValidator(_header)]
Arguments = Annotated[dict[str, object], PlainValidator(_arguments)]

_Variable = Annotated[str, PlainValidator(_variable)]
_Pattern = Annotated[Protection, PlainValidator(_pattern)]
Variables = Annotated[tuple[_Variable, ...], AfterValidator(unique)]
Patterns = Annotated[tuple[_Pattern, ...], AfterValidator(unique)]
