"""The types of the fields under ``guard``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema

from regbot.config.fields import (
    COUNT,
    Wanted,
    mistake,
    short_text_of,
    surroundings,
    text_of,
    unfit,
)
from regbot.errors import InvalidValue
from regbot.plan.guard import Protection

PERCENT = Wanted("a percentage", "write a number from 0 to 100, such as 25")


def _count(value: object) -> int:
    text = short_text_of(value, COUNT)
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise unfit(text, COUNT)
    return int(text)


def _percent(value: object) -> float:
    text = short_text_of(value, PERCENT).removesuffix("%").strip()
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", text) or float(text) > 100:
        raise unfit(text, PERCENT)
    return float(text)


def _protection(value: object) -> Protection:
    try:
        return Protection.parse(text_of(value))
    except InvalidValue as error:
        raise mistake(f"{error} (write a glob such as v*, or regex:...)") from None


def _state_folder(value: object, info: ValidationInfo) -> Path:
    text = text_of(value).strip()
    if not text or "\0" in text:
        raise mistake("the folder's name is empty (name a folder, or leave state out)")
    return surroundings(info).base / Path(text).expanduser()


OptionalCount = Annotated[
    int | None, PlainValidator(_count), WithJsonSchema({"type": "integer", "minimum": 0})
]
Percent = Annotated[
    float | None,
    PlainValidator(_percent),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100}),
]
Pattern = Annotated[Protection, PlainValidator(_protection), WithJsonSchema({"type": "string"})]
StateFolder = Annotated[
    Path | None, PlainValidator(_state_folder), WithJsonSchema({"type": "string"})
]
