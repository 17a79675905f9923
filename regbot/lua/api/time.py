"""``time.*``: points in time as seconds since 1970, and their texts."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from regbot.errors import InvalidValue
from regbot.lua.binding import (
    DURATION,
    NUMBER,
    STRING,
    Binding,
    LocalContext,
    Parameter,
    Passed,
    plain,
)
from regbot.units import format_moment, parse_moment


def _now(context: LocalContext) -> Passed:
    return plain(time.time() if context.now is None else context.now)


def _parse(_context: LocalContext, text: str) -> Passed:
    return plain(parse_moment(text))


def _format(_context: LocalContext, seconds: float, form: str | None) -> Passed:
    if form is None:
        return plain(format_moment(seconds))
    try:
        return plain(datetime.fromtimestamp(seconds, UTC).strftime(form))
    except (ValueError, OverflowError, OSError):
        raise InvalidValue(f"{seconds} can't be written as {form!r}") from None


def _duration(_context: LocalContext, seconds: float) -> Passed:
    return plain(seconds)


BINDINGS = (
    Binding(
        name="time.now",
        doc="The current time, in seconds since 1970.",
        run=_now,
        local=True,
        result="number",
    ),
    Binding(
        name="time.parse",
        doc="The seconds since 1970 of a time such as 2021-01-01T00:00:00Z, of a time as Go prints"
        " it (2021-01-01 00:00:00 +0000 UTC), or of a date (2021-01-01). Without a time zone it is"
        " UTC.",
        parameters=(Parameter("text", STRING, "the time"),),
        run=_parse,
        local=True,
        result="number",
    ),
    Binding(
        name="time.format",
        doc="A time as text, in UTC. Without format it is like 2021-01-01T00:00:00Z (RFC 3339).",
        parameters=(
            Parameter("seconds", NUMBER, "the time, in seconds since 1970"),
            Parameter("format", STRING, "a format of strftime, such as %Y-%m-%d", optional=True),
        ),
        run=_format,
        local=True,
        result="string",
    ),
    Binding(
        name="time.duration",
        doc="The seconds of a duration such as 30d, 1h15m or 500ms.",
        parameters=(Parameter("text", DURATION, "the duration"),),
        run=_duration,
        local=True,
        result="number",
    ),
)
