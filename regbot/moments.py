"""Points in time as text: RFC 3339, and the form Go prints. All in UTC.

A point in time is a float of seconds since 1970.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from regbot.errors import InvalidValue

_FORM = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](?P<clock>\d\d:\d\d:\d\d)(?P<fraction>\.\d+)?"
    r" ?(?P<zone>[Zz]|[+-]\d\d:?\d\d)?(?: [A-Za-z0-9+-]+)?(?: m=.*)?)?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_moment(text: str) -> float:
    """Seconds of ``2021-01-01T00:00:00Z``, ``2021-01-01 00:00:00 +0000 UTC`` or a date.

    Without a zone it is UTC. Raises InvalidValue.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise InvalidValue(f"{text!r} is not a time such as 2021-01-01T00:00:00Z")
    try:
        whole = datetime.fromisoformat(f"{match['date']}T{match['clock'] or '00:00:00'}")
        moment = whole.replace(tzinfo=_zone(match["zone"] or "Z"))
        return (moment - _EPOCH).total_seconds() + float(match["fraction"] or 0)
    except (ValueError, OverflowError):
        raise InvalidValue(f"{text!r} is not a time: a part is out of range") from None


def _zone(text: str) -> timezone:
    if text in "Zz":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def format_moment(seconds: float) -> str:
    """RFC 3339 in UTC, with as much of a fraction as there is. Raises InvalidValue."""
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        raise InvalidValue(f"{seconds} seconds are no time that can be written") from None
    fraction = f".{moment.microsecond:06}".rstrip("0") if moment.microsecond else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def go_form(text: str) -> str:
    """An RFC 3339 time as Go prints it: ``2021-01-01 00:00:00 +0000 UTC``.

    Any other text comes back as it is.
    """
    match = _FORM.fullmatch(text)
    if match is None or "T" not in text.upper() or not match["zone"]:
        return text
    fraction = (match["fraction"] or "").rstrip("0").rstrip(".")
    offset = match["zone"].replace(":", "")
    plain = offset in "Zz" or offset.strip("+-0") == ""
    zone = "+0000 UTC" if plain else f"{offset} {offset}"
    return f"{match['date']} {match['clock']}{fraction} {zone}"
