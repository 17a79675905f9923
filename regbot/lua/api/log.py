"""``log`` for the log, and ``print`` for standard output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from regbot.events import Level, Message, Printed
from regbot.lua.api.context import Context
from regbot.lua.binding import NAME_LIMIT, TABLE, TEXT, Binding, Parameter, Passed, Type, plain

MESSAGE_LIMIT = 65 * 1024
"""Characters of a message, which ``lib/globals.lua`` cuts at 64 KiB, with a note."""

_LEVELS: Mapping[str, Level] = {
    "log": "info",
    "log.debug": "debug",
    "log.info": "info",
    "log.warn": "warn",
    "log.error": "error",
}
_MESSAGE = Type("any", TEXT.read, limit=MESSAGE_LIMIT)


def _log(level: Level, context: Context, text: str, fields: object) -> Passed:
    named = fields if isinstance(fields, Mapping) else {}
    context.last_message = text[:NAME_LIMIT]
    fields = {"script": context.script, **_plain_fields(named)}
    context.emit(Message(level, text, fields | {"script": context.script}))
    return plain(None)


def _plain_fields(fields: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    return {
        str(name): value if isinstance(value, str | int | float | bool) else json.dumps(value)
        for name, value in fields.items()
    }


def _print(context: Context, text: str) -> Passed:
    context.emit(Printed(context.script, text))
    return plain(None)


BINDINGS = (
    *(
        Binding(
            name=name,
            doc=f"Write a line at level {level} to the log, with the script's name. A message is"
            " cut after 64 KiB.",
            parameters=(
                Parameter("message", _MESSAGE, "the message; other values are converted to text"),
                Parameter("fields", TABLE, "names and values to add to the line", optional=True),
            ),
            run=partial(_log, level),
        )
        for name, level in _LEVELS.items()
    ),
    Binding(
        name="print",
        doc="Write a line to standard output, with tabs between several values. With regbot run"
        " --json it goes to standard error, because the result of the script is on standard output."
        " A line may be as long as the config's blobLimit.",
        parameters=(Parameter("...", TEXT, "any values"),),
        run=_print,
    ),
)
