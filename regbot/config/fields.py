"""The kinds of values that keys take: how each is read, and the error for other values.

A kind reads the text that stands in the file, so YAML's own guesses (``yes`` is true,
``1:30`` is 90) never count. Where 0 or an empty text means the default, the kind gives
None, as for a key that is not set. All raise Mistake.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from typing import TypeVar

from regbot.config.document import ListNode, MappingNode, Mistake, Node, Scalar, shown
from regbot.config.section import Value
from regbot.config.shapes import ANY_TEXT, Shape, any_of, flag, number, shaped, text, words
from regbot.config.values import Misfire, Overlap
from regbot.errors import InvalidValue
from regbot.run.schedule import Schedule
from regbot.run.zones import parse_timezone
from regbot.units import parse_duration, parse_size
from regbot.values import dataclass

TRUE = ("true", "yes", "on", "y")
_FALSE = ("false", "no", "off", "n")
_MISFIRES: Mapping[str, Misfire] = {"once": "once", "skip": "skip"}
_OVERLAPS: Mapping[str, Overlap] = {"skip": "skip", "queue": "queue"}
_MAX_LENGTH = 200
_MIN_MEMORY = 1024 * 1024

_Word = TypeVar("_Word")


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
MISFIRE = Expected("once or skip", "write one of the two words")
OVERLAP = Expected("skip or queue", "write one of the two words")
TIMEZONE = Expected("a time zone", "write one such as UTC or Europe/Paris")
VARIABLE = Expected("the name of an environment variable", "write one such as MY_NAME")
CACHE = Expected("off or a mapping", "write off, or one such as {size: 1GiB}")
ARGUMENTS = Expected("a mapping", "write one such as {days: 30}")


def _told(shape: Shape, expected: Expected) -> Shape:
    """A shape with what an editor says of a string that doesn't fit."""
    message = f"expected {expected.what} ({expected.hint})"
    return {**shape, "errorMessage": message, "patternErrorMessage": message}


_FLAG = _told(flag(true=TRUE, false=_FALSE), FLAG)
_COUNT = _told(number(), COUNT)
_PART_OF_DURATION = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|[smhdw])"
_DURATION = any_of(
    _told(
        {
            "type": "string",
            "pattern": rf"^\s*[-+]?(?:0|(?:{_PART_OF_DURATION})+)\s*$",
            "examples": ("30s", "1h15m", "7d"),
        },
        DURATION,
    ),
    {"enum": (0,)},
)
_SIZE = _told(
    number(
        kind="number",
        pattern=r"[0-9]+(?:\.[0-9]+)?\s*(?:[kKmMgGtT]?[bB]|[kKmMgGtT](?:[iI][bB])?)?",
        examples=("512KiB", "4MiB", "1GiB"),
    ),
    SIZE,
)


def unexpected(actual: Node | str, expected: Expected) -> Mistake:
    """The error for a node or text of another kind."""
    if isinstance(actual, str):
        kind = shown(actual) if actual else "an empty string"
    elif isinstance(actual, Scalar):
        kind = "a string"
    else:
        kind = "a mapping" if isinstance(actual, MappingNode) else "a list"
    return Mistake(f"expected {expected.what}, not {kind} ({expected.hint})")


def text_of(value: Value, expected: Expected = TEXT) -> str:
    """The text of a scalar. A list or mapping is an error that says what was expected."""
    if isinstance(value.node, Scalar):
        return value.node.text
    raise unexpected(value.node, expected)


def word_of(value: Value, expected: Expected = TEXT) -> str:
    """The text of a scalar without the space around it, at most 200 characters of it."""
    text = text_of(value, expected)
    if len(text) > _MAX_LENGTH:
        raise Mistake(f"expected {expected.what}, not {len(text)} characters ({expected.hint})")
    return text.strip()


@shaped(ANY_TEXT)
def clean_text_of(value: Value) -> str:
    """The text of a scalar, without NUL and lone surrogates."""
    return require_clean(text_of(value))


def require_clean(text: str) -> str:
    """The text as it is. One with NUL or a lone surrogate is an error."""
    if "\0" in text or re.search("[\ud800-\udfff]", text):
        raise Mistake("the text contains a character that is not allowed (is the file UTF-8?)")
    return text


@shaped(text(pattern=r"\S"))
def name_of(value: Value) -> str:
    """The name of a script."""
    text = clean_text_of(value).strip()
    if not text:
        raise Mistake("the name is empty (give the script a name)")
    return text


@shaped(_FLAG)
def flag_of(value: Value, expected: Expected = FLAG) -> bool:
    """Whether a scalar says yes. One that says neither yes nor no is an error."""
    word = word_of(value, expected)
    if word.lower() not in (*TRUE, *_FALSE):
        raise unexpected(word, expected)
    return word.lower() in TRUE


@shaped(_FLAG)
def inverted_flag_of(value: Value) -> bool:
    """False where a scalar says yes."""
    return not flag_of(value)


@shaped(_COUNT)
def count_of(value: Value) -> int:
    """A number, 0 or more."""
    text = word_of(value, COUNT)
    if not re.fullmatch(r"[-+]?[0-9]{1,9}", text):
        raise unexpected(text, COUNT)
    if int(text) < 0:
        raise Mistake(f"{shown(text)} is negative ({COUNT.hint})")
    return int(text)


@shaped(_COUNT)
def positive_count_of(value: Value) -> int | None:
    """A number of at least 1, or None for 0."""
    return count_of(value) or None


@shaped(_told(number(0, 1), VERSION))
def version_of(value: Value) -> int:
    """The version of the file's form."""
    text = word_of(value, VERSION)
    if re.fullmatch(r"[0-9]{1,9}", text) and int(text) > 1:
        raise Mistake(f"version {int(text)} is newer than this regbot knows ({VERSION.hint})")
    if text not in ("0", "1"):
        raise unexpected(text, VERSION)
    return int(text)


@shaped(_told(number(kind="number", pattern=r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"), RATE))
def rate_of(value: Value) -> float:
    """A number in each second, 0 or more."""
    text = word_of(value, RATE)
    if not re.fullmatch(r"[-+]?(?:[0-9]{1,9}(?:\.[0-9]*)?|\.[0-9]+)", text):
        raise unexpected(text, RATE)
    if float(text) < 0:
        raise Mistake(f"{shown(text)} is negative ({RATE.hint})")
    return float(text)


@shaped(_told(number(0, 100, kind="number", pattern=r"[0-9.]+\s*%?"), PERCENT))
def percent_of(value: Value) -> float:
    """A number from 0 to 100."""
    text = word_of(value, PERCENT).removesuffix("%").strip()
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", text) or float(text) > 100:
        raise unexpected(text, PERCENT)
    return float(text)


@shaped(_DURATION)
def duration_of(value: Value) -> float | None:
    """Seconds, or None for 0."""
    text = word_of(value, DURATION)
    try:
        seconds = parse_duration(text)
    except InvalidValue:
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            raise Mistake(
                f"{shown(text)} is a duration without a unit (write {text}s for seconds,"
                f" {text}d for days)"
            ) from None
        raise unexpected(text, DURATION) from None
    if seconds < 0:
        raise Mistake(f"{shown(text)} is negative ({DURATION.hint})")
    return seconds or None


@shaped(_SIZE)
def size_or_nothing_of(value: Value) -> int:
    """Bytes, 0 or more."""
    text = word_of(value, SIZE)
    try:
        return parse_size(text)
    except InvalidValue:
        raise unexpected(text, SIZE) from None


@shaped(_SIZE)
def size_of(value: Value) -> int | None:
    """Bytes, or None for 0."""
    return size_or_nothing_of(value) or None


@shaped({**_SIZE, "minimum": -1})
def size_or_unlimited_of(value: Value) -> int | None:
    """Bytes, -1 without a limit, or None for 0."""
    return -1 if word_of(value, SIZE) == "-1" else size_of(value)


@shaped(_SIZE)
def memory_of(value: Value) -> int:
    """Bytes of memory that Lua starts with."""
    size = size_of(value) or 0
    if size < _MIN_MEMORY:
        raise Mistake("Lua doesn't start with less than 1MiB (write a size such as 256MiB)")
    return size


@shaped({"type": "string", "examples": ("15 3 * * *", "@daily", "@every 1h30m")})
def schedule_of(value: Value) -> str | None:
    """The fields of a schedule, which is a valid one."""
    text = word_of(value, SCHEDULE)
    if text:
        try:
            Schedule.parse(text, UTC)
        except InvalidValue as error:
            raise Mistake(str(error)) from None
    return text or None


@shaped(_DURATION)
def duration_or_nothing_of(value: Value) -> float:
    """Seconds, 0 or more."""
    return duration_of(value) or 0.0


@shaped(words("once", "skip", any_case=True))
def misfire_of(value: Value) -> Misfire:
    """What becomes of a run whose time was missed."""
    return _named(value, _MISFIRES, MISFIRE)


@shaped(words("skip", "queue", any_case=True))
def overlap_of(value: Value) -> Overlap:
    """What becomes of a run that is due while the last one is going."""
    return _named(value, _OVERLAPS, OVERLAP)


def _named(value: Value, words: Mapping[str, _Word], expected: Expected) -> _Word:
    word = word_of(value, expected)
    if word.lower() not in words:
        raise unexpected(word, expected)
    return words[word.lower()]


@shaped({"type": "string", "examples": ("Europe/Paris", "UTC")})
def timezone_of(value: Value) -> str | None:
    """The name of a time zone that there is."""
    text = word_of(value, TIMEZONE)
    if text:
        try:
            parse_timezone(text)
        except InvalidValue as error:
            raise Mistake(str(error)) from None
    return text or None


@shaped(_told(text(pattern=r"^\s*[A-Za-z_][A-Za-z0-9_]*\s*$"), VARIABLE))
def variable_of(value: Value) -> str:
    """The name of an environment variable."""
    text = word_of(value, VARIABLE)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text):
        raise unexpected(text, VARIABLE)
    return text


@shaped(text(pattern="^[ -~]*$"))
def header_of(value: Value) -> str:
    """A text that a header can hold."""
    text = word_of(value)
    if not re.fullmatch(r"[ -~]*", text):
        raise Mistake("a user agent may contain only ASCII characters (remove the others)")
    return text


@shaped({"type": "object"})
def arguments_of(value: Value) -> dict[str, object]:
    """The table that a script finds as ``args``."""
    if not isinstance(value.node, MappingNode):
        raise unexpected(value.node, ARGUMENTS)
    return {key: _lua_value(entry.value) for key, entry in value.node.entries.items()}


def _lua_value(node: Node) -> object:
    """A value under ``args``: the booleans and numbers of YAML 1.2, else the text.

    A number that would lose digits (more than 15, or leading zeros) stays text.
    """
    if isinstance(node, MappingNode):
        return {key: _lua_value(entry.value) for key, entry in node.entries.items()}
    if isinstance(node, ListNode):
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
