"""``time.*``: points in time as seconds since 1970, and their texts."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from regbot.errors import InvalidValue
from regbot.lua.api.context import Context
from regbot.lua.binding import DURATION, NUMBER, STRING, Binding, Parameter, Passed, plain
from regbot.units import format_moment, parse_moment


def _now(_context: Context) -> Passed:
    return plain(time.time())


def _parse(_context: Context, text: str) -> Passed:
    return plain(parse_moment(text))


def _format(_context: Context, seconds: float, form: str | None) -> Passed:
    if form is None:
        return plain(format_moment(seconds))
    try:
        return plain(datetime.fromtimestamp(seconds, UTC).strftime(form))
    except (ValueError, OverflowError, OSError):
        raise InvalidValue(f"{seconds} can't be written as {form!r}") from None


def _duration(_context: Context, seconds: float) -> Passed:
    return plain(seconds)


BINDINGS = (
    Binding(
        name="time.now",
        doc="The time now, in seconds since 1970.",
        run=_now,
        result="number",
    ),
    Binding(
        name="time.parse",
        doc="Seconds since 1970 of a time such as 2021-01-01T00:00:00Z, or as Go prints it"
        " (2021-01-01 00:00:00 +0000 UTC), or of a date. Without a zone it is UTC.",
        parameters=(Parameter("text", STRING, "the time"),),
        run=_parse,
        result="number",
    ),
    Binding(
        name="time.format",
        doc="A time as text in UTC: RFC 3339, or by the letters of strftime.",
        parameters=(
            Parameter("seconds", NUMBER, "since 1970"),
            Parameter("format", STRING, "such as %Y-%m-%d", optional=True),
        ),
        run=_format,
        result="string",
    ),
    Binding(
        name="time.duration",
        doc="Seconds of a duration such as 30d, 1h15m or 500ms.",
        parameters=(Parameter("text", DURATION, "the duration"),),
        run=_duration,
        result="number",
    ),
)
