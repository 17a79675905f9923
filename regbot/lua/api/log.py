"""``log`` and, through it, ``print``: lines with the script's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from regbot.errors import InvalidValue
from regbot.events import Level, Message
from regbot.lua.api.context import Context
from regbot.lua.binding import STRING, TABLE, Binding, Parameter, Passed, plain

_LEVELS: tuple[Level, ...] = get_args(Level)


def _log(context: Context, level: str, text: str, fields: Mapping[str, Any] | None) -> Passed:
    given = fields if isinstance(fields, Mapping) else {}
    for known in _LEVELS:
        if known == level:
            context.last_message = text
            context.emit(Message(known, text, {"script": context.script, **_plain_fields(given)}))
            return plain(None)
    raise InvalidValue(f"level {level!r} is not one of {', '.join(_LEVELS)}")


def _plain_fields(fields: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    return {
        str(name): value if isinstance(value, str | int | float | bool) else str(value)
        for name, value in fields.items()
    }


BINDINGS = (
    Binding(
        name="log",
        doc="Write one line with the script's name; log.debug, log.info, log.warn and log.error"
        " set the level.",
        parameters=(
            Parameter("level", STRING, "debug, info, warn or error; set by the function's name"),
            Parameter("message", STRING, "what to say"),
            Parameter("fields", TABLE, "names and values to add to the line", optional=True),
        ),
        run=_log,
    ),
)
