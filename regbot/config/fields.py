"""The types of fields: how each is read, and what an error says about any other value.

Each is a type for pydantic models. It reads a scalar's text as it is written, so
that YAML's own guesses (``yes`` is true, ``1:30`` is 90) never matter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Annotated

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from regbot.config.document import Plain, Scalar, shown
from regbot.config.template import TemplateMistake, render
from regbot.errors import InvalidValue
from regbot.files import open_regular
from regbot.run.schedule import Schedule
from regbot.run.zones import parse_timezone
from regbot.units import parse_duration, parse_size

_YES = frozenset({"true", "yes", "on", "y"})
_NO = frozenset({"false", "no", "off", "n"})
_LONGEST = 200
_LEAST_MEMORY = 1024 * 1024
_MAX_SOURCE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A Lua file: its name as written in the config, and its bytes."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The environment that templates read, and the folder that relative names start from."""

    environ: Mapping[str, str]
    base: Path


@dataclass(frozen=True, slots=True)
class Wanted:
    """A kind of value, and a hint on how to write it. Both are shown in errors."""

    what: str
    hint: str


TEXT = Wanted("a string", "put it between quotes")
FLAG = Wanted("true or false", "write true or false")
COUNT = Wanted("a number", "write 0 or more")
VERSION = Wanted("the number 1", "write version: 1")
RATE = Wanted("a number", "write one such as 0.5; 0 for no limit")
DURATION = Wanted("a duration such as 30s", "write one such as 30s, 1h15m or 7d")
SIZE = Wanted("a size", "write a number of bytes, or a size such as 512KiB or 4MiB")
SCHEDULE = Wanted("a schedule", 'write five fields such as "15 3 * * *"')
TIMEZONE = Wanted("a time zone", "write one such as UTC or Europe/Paris")
VARIABLE = Wanted("the name of an environment variable", "write one such as MY_NAME")
MAPPING = Wanted("a mapping", "write one such as {days: 30}")


def mistake(what: str, offset: int | None = None) -> PydanticCustomError:
    """An error with this text, which points at the character ``offset`` of the value."""
    return PydanticCustomError("mistake", "{what}", {"what": what, "offset": offset})


def unfit(value: object, wanted: Wanted) -> PydanticCustomError:
    """The error for a value of another kind than the wanted one."""
    if isinstance(value, str):
        seen = shown(value) if value else "an empty string"
    elif isinstance(value, Scalar):
        seen = "a string"
    else:
        seen = "a list" if isinstance(value, list) else "a mapping"
    return mistake(f"expected {wanted.what}, not {seen} ({wanted.hint})")


def text_of(value: object, wanted: Wanted = TEXT) -> str:
    """The text of a scalar. Raises for a list or a mapping, and says what is wanted."""
    if isinstance(value, Scalar):
        return value.text
    raise unfit(value, wanted)


def short_text_of(value: object, wanted: Wanted = TEXT) -> str:
    """The text of a scalar, stripped. Raises also if it is longer than any such value."""
    text = text_of(value, wanted)
    if len(text) > _LONGEST:
        raise mistake(f"expected {wanted.what}, not {len(text)} characters ({wanted.hint})")
    return text.strip()


def _text(value: object) -> str:
    return _clean(text_of(value))


def _clean(text: str) -> str:
    if "\0" in text or re.search("[\ud800-\udfff]", text):
        raise mistake("the text contains a character that is not allowed (is the file UTF-8?)")
    return text


def _name(value: object) -> str:
    text = _text(value).strip()
    if not text:
        raise mistake("the name is empty (give the script a name)")
    return text


def _flag(value: object) -> bool:
    word = short_text_of(value, FLAG).lower()
    if word not in _YES | _NO:
        raise unfit(word, FLAG)
    return word in _YES


def _count(value: object) -> int:
    text = short_text_of(value, COUNT)
    if not re.fullmatch(r"[-+]?[0-9]{1,9}", text):
        raise unfit(text, COUNT)
    if int(text) < 0:
        raise mistake(f"{shown(text)} is negative ({COUNT.hint})")
    return int(text)


def _version(value: object) -> int:
    text = short_text_of(value, VERSION)
    if re.fullmatch(r"[0-9]{1,9}", text) and int(text) > 1:
        raise mistake(f"version {int(text)} is newer than this regbot knows ({VERSION.hint})")
    if text not in ("0", "1"):
        raise unfit(text, VERSION)
    return int(text)


def _rate(value: object) -> float:
    text = short_text_of(value, RATE)
    if not re.fullmatch(r"[-+]?(?:[0-9]{1,9}(?:\.[0-9]*)?|\.[0-9]+)", text):
        raise unfit(text, RATE)
    if float(text) < 0:
        raise mistake(f"{shown(text)} is negative ({RATE.hint})")
    return float(text)


def _duration(value: object) -> float | None:
    text = short_text_of(value, DURATION)
    try:
        seconds = parse_duration(text)
    except InvalidValue:
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            what = f"{shown(text)} is a duration without a unit (for seconds write {text}s)"
            raise mistake(what) from None
        raise unfit(text, DURATION) from None
    if seconds < 0:
        raise mistake(f"{shown(text)} is negative ({DURATION.hint})")
    return seconds or None


def _size(value: object) -> int:
    text = short_text_of(value, SIZE)
    try:
        return parse_size(text)
    except InvalidValue:
        raise unfit(text, SIZE) from None


def _size_or_never(value: object) -> int:
    return -1 if short_text_of(value, SIZE) == "-1" else _size(value)


def _memory(value: object) -> int:
    size = _size(value)
    if size < _LEAST_MEMORY:
        raise mistake("Lua doesn't start with less than 1MiB (write a size such as 256MiB)")
    return size


def _schedule(value: object) -> str:
    text = short_text_of(value, SCHEDULE)
    if text:
        try:
            Schedule.parse(text, UTC)
        except InvalidValue as error:
            raise mistake(str(error)) from None
    return text


def _timezone(value: object) -> str:
    text = short_text_of(value, TIMEZONE)
    if text:
        try:
            parse_timezone(text)
        except InvalidValue as error:
            raise mistake(str(error)) from None
    return text


def _variable(value: object) -> str:
    text = short_text_of(value, VARIABLE)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text):
        raise unfit(text, VARIABLE)
    return text


def _header(value: object) -> str:
    text = short_text_of(value)
    if not re.fullmatch(r"[ -~]*", text):
        raise mistake("a user agent may contain only ASCII characters (remove the others)")
    return text


def _module_folder(value: object, info: ValidationInfo) -> Path:
    return _folder(_text(value), surroundings(info).base)


def _work_folder(value: object) -> Path:
    return _folder(_text(value), Path())


def _folder(name: str, start: Path) -> Path:
    path = start / name
    try:
        is_folder = path.is_dir()
    except (OSError, ValueError):
        is_folder = False
    if not is_folder:
        raise mistake(f"there is no folder {shown(name)} (create it, or name another)")
    return path


def _source_file(value: object, info: ValidationInfo) -> SourceFile:
    name = _text(value)
    file = surroundings(info).base / name
    try:
        with open_regular(file) as stream:
            content = stream.read(_MAX_SOURCE + 1)
    except FileNotFoundError:
        what = f"there is no file {shown(name)} (its name is relative to the folder of the config)"
        raise mistake(what) from None
    except OSError as error:
        raise mistake(f"can't read {shown(name)}: {error.strerror} (name a Lua file)") from None
    if len(content) > _MAX_SOURCE:
        raise mistake(f"{shown(name)} is larger than 16MiB (is it the right file?)")
    return SourceFile(name, content)


def rendered(value: object, info: ValidationInfo) -> str:
    """A template's result."""
    text = _text(value)
    try:
        return _clean(render(text, surroundings(info).environ))
    except TemplateMistake as error:
        raise mistake(str(error), error.offset) from None


def _arguments(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise unfit(value, MAPPING)
    return {key: lua_value(item) for key, item in value.items()}


def lua_value(value: Plain) -> object:
    """A value under ``args``, as Lua gets it: booleans and numbers of YAML 1.2, else text.

    Numbers that would lose digits (more than 15, or leading zeros) stay text.
    """
    if isinstance(value, dict):
        return {key: lua_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [lua_value(item) for item in value]
    text = value.text
    if value.style:
        return text
    if value.is_null:
        return None
    if text.lower() in ("true", "false") and text[1:].islower():
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?(?:0|[1-9][0-9]{0,14})", text):
        return int(text)
    if re.fullmatch(r"[-+]?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,2})?", text):
        return float(text)
    return text


def surroundings(info: ValidationInfo) -> Surroundings:
    """The context that the models are validated with."""
    if not isinstance(info.context, Surroundings):
        raise TypeError("the models are validated with Surroundings as context")
    return info.context


def _schema(kind: str, **more: object) -> WithJsonSchema:
    return WithJsonSchema({"type": kind, **more})


_SIZE_SCHEMA = WithJsonSchema({"type": ["integer", "string"]})

Text = Annotated[str, PlainValidator(_text), _schema("string")]
Name = Annotated[str, PlainValidator(_name), _schema("string", minLength=1)]
Flag = Annotated[bool, PlainValidator(_flag), _schema("boolean")]
Version = Annotated[int, PlainValidator(_version), _schema("integer", enum=[0, 1])]
Count = Annotated[int, PlainValidator(_count), _schema("integer", minimum=0)]
Rate = Annotated[float, PlainValidator(_rate), _schema("number", minimum=0)]
Duration = Annotated[float | None, PlainValidator(_duration), _schema("string")]
Size = Annotated[int, PlainValidator(_size), _SIZE_SCHEMA]
SizeOrNever = Annotated[int, PlainValidator(_size_or_never), _SIZE_SCHEMA]
Memory = Annotated[int, PlainValidator(_memory), _SIZE_SCHEMA]
Cron = Annotated[str, PlainValidator(_schedule), _schema("string")]
Timezone = Annotated[str, PlainValidator(_timezone), _schema("string")]
Variable = Annotated[str, PlainValidator(_variable), _schema("string")]
Header = Annotated[str, PlainValidator(_header), _schema("string")]
ModuleFolder = Annotated[Path, PlainValidator(_module_folder), _schema("string")]
WorkFolder = Annotated[Path, PlainValidator(_work_folder), _schema("string")]
Template = Annotated[str, PlainValidator(rendered), _schema("string")]
Source = Annotated[SourceFile, PlainValidator(_source_file), _schema("string")]
Arguments = Annotated[dict[str, object], PlainValidator(_arguments), _schema("object")]
