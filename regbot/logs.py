"""Log lines on standard error, as logfmt or JSON, from the events of the core."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, get_args

from regbot.events import Delayed, Emit, Event, Exchanged, Level, Message

Format = Literal["logfmt", "json"]
LEVELS: tuple[Level, ...] = get_args(Level)
_FIRST_KEYS = ("time", "level", "msg")


def make_log(level: Level, format_: Format, stream: TextIO | None = None) -> Emit:
    """A listener that writes what is at least as grave as ``level``, a line an event."""
    import structlog

    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if format_ == "json"
        else structlog.processors.LogfmtRenderer(key_order=_FIRST_KEYS, bool_as_flag=False)
    )
    write = structlog.WriteLogger(stream or sys.stderr).msg
    lowest = LEVELS.index(level)

    def emit(event: Event) -> None:
        message = _as_message(event)
        if LEVELS.index(message.level) >= lowest:
            # Work must not break half-way because nobody reads the log any more.
            with suppress(OSError, ValueError):
                write(renderer(None, "", _line(message)))

    return emit


def _line(message: Message) -> MutableMapping[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = {_key(name): _value(value) for name, value in message.fields.items()}
    return {
        "time": now,
        "level": message.level.upper(),
        "msg": _value(message.text),
        **{name: value for name, value in fields.items() if name not in _FIRST_KEYS},
    }


def _key(name: str) -> str:
    return "".join(c if c.isprintable() and c not in ' ="' else "_" for c in name) or "_"


def _value(value: object) -> Any:  # noqa: ANN401 - whatever a renderer takes
    if not isinstance(value, str):
        return value
    readable = value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else _escaped(c) for c in readable)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _as_message(event: Event) -> Message:
    match event:
        case Message():
            return event
        case Exchanged():
            fields: dict[str, str | int | float] = {
                "method": event.method,
                "url": event.url,
                "status": event.status,
                "seconds": round(event.seconds, 3),
            }
            return Message("trace", "exchanged", fields)
        case Delayed():
            fields = {"host": event.host, "seconds": round(event.seconds, 3), "why": event.why}
            return Message("debug", "waiting", fields)
