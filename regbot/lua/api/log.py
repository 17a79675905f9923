"""``log`` and, through it, ``print``: lines with the script's name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from regbot.events import Level, Message
from regbot.lua.api.context import Context
from regbot.lua.binding import STRING, TABLE, Binding, Parameter, Passed, plain

_LEVELS: Mapping[str, Level] = {
    "log": "info",
    "log.debug": "debug",
    "log.info": "info",
    "log.warn": "warn",
    "log.error": "error",
}


def _log(level: Level, context: Context, text: str, fields: object) -> Passed:
    given = fields if isinstance(fields, Mapping) else {}
    context.last_message = text
    context.emit(Message(level, text, {"script": context.script, **_plain_fields(given)}))
    return plain(None)


def _plain_fields(fields: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    return {
        str(name): value if isinstance(value, str | int | float | bool) else str(value)
        for name, value in fields.items()
    }


BINDINGS = tuple(
    Binding(
        name=name,
        doc=f"Write one line at level {level}, with the script's name.",
        parameters=(
            Parameter("message", STRING, "what to say; anything else is made text"),
            Parameter("fields", TABLE, "names and values to add to the line", optional=True),
        ),
        run=partial(_log, level),
    )
    for name, level in _LEVELS.items()
)
