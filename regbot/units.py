"""Durations, times and sizes as people write them: parse and format.

Durations follow Go's ``time.ParseDuration`` (``1h15m``, ``500ms``, ``-1.5h``), with ``d``
(24 h) and ``w`` (7 d) in addition, because retention is counted in days. A duration is a
float of seconds, a size an int of bytes. A time is a float of seconds since 1970, in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from regbot.errors import InvalidValue

_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
}
_DAY = _SECONDS["d"]
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w)", re.ASCII)
_BYTES = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 1000,
    "kib": 1024,
    "m": 1000**2,
    "mb": 1000**2,
    "mib": 1024**2,
    "g": 1000**3,
    "gb": 1000**3,
    "gib": 1024**3,
    "t": 1000**4,
    "tb": 1000**4,
    "tib": 1024**4,
}
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)\s*([A-Za-z]*)", re.ASCII)
_LONGEST = 100 * 366 * 86400.0


def parse_duration(text: str) -> float:
    """The seconds of a duration such as ``1h15m``; ``0`` needs no unit.

    Raises InvalidValue for anything else, and for more than a hundred years.
    """
    body = text.strip()
    sign = -1.0 if body.startswith("-") else 1.0
    body = body.removeprefix("-") if sign < 0 else body.removeprefix("+")
    if body == "0":
        return 0.0
    seconds, end = 0.0, 0
    for part in _DURATION_PART.finditer(body):
        if part.start() != end:
            break
        seconds += float(part[1]) * _SECONDS[part[2]]
        end = part.end()
    if not body or end != len(body):
        raise InvalidValue(f"{text!r} is not a duration such as 30s, 1h15m or 7d")
    if seconds > _LONGEST:
        raise InvalidValue(f"{text!r} is more than a hundred years")
    return sign * seconds


def format_duration(seconds: float) -> str:
    """The shortest text that parses back to the same duration, to the microsecond."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    micros = round(seconds * 1_000_000)
    whole, rest = divmod(micros, 1_000_000)
    text = ""
    for unit, size in (("h", 3600), ("m", 60)):
        count, whole = divmod(whole, size)
        text += f"{count}{unit}" if count else ""
    if whole or rest or not text:
        fraction = f".{rest:06d}".rstrip("0") if rest else ""
        text += f"{whole}{fraction}s"
    return text


def format_age(seconds: float) -> str:
    """An age as people write it: in days where it is a number of them."""
    whole = seconds >= _DAY and seconds % _DAY == 0
    return f"{seconds / _DAY:.0f}d" if whole else format_duration(seconds)


def parse_size(text: str) -> int:
    """The bytes of a size such as ``512MiB``, ``4MB`` or ``1024``. Raises InvalidValue."""
    match = _SIZE.fullmatch(text.strip())
    factor = _BYTES.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise InvalidValue(f"{text!r} is not a size such as 1024, 512KiB or 4MiB")
    return int(float(match[1]) * factor) if "." in match[1] else int(match[1]) * factor


def format_size(size: int) -> str:
    """A size for people: three digits and a binary unit, as ``1.50 MiB``."""
    if size < 0:
        return "-" + format_size(-size)
    if size < 1024:
        return f"{size} B"
    value = size / 1024
    units = iter(("KiB", "MiB", "GiB"))
    unit = next(units)
    while value >= 999.5:
        value, unit = value / 1024, next(units, "TiB")
        if unit == "TiB":
            break
    return f"{value:.{0 if value >= 99.95 else 1 if value >= 9.995 else 2}f} {unit}"


_MOMENT = re.compile(
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
    match = _MOMENT.fullmatch(text.strip())
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
    """A time in RFC 3339 and UTC, with a fraction if there is one. Raises InvalidValue."""
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        raise InvalidValue(f"{seconds} seconds is not a time that can be written") from None
    fraction = f".{moment.microsecond:06}".rstrip("0") if moment.microsecond else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def go_form(text: str) -> str:
    """An RFC 3339 time as Go prints it: ``2021-01-01 00:00:00 +0000 UTC``.

    Any other text comes back as it is.
    """
    match = _MOMENT.fullmatch(text)
    if match is None or "T" not in text.upper() or not match["zone"]:
        return text
    fraction = (match["fraction"] or "").rstrip("0").rstrip(".")
    offset = match["zone"].replace(":", "")
    plain = offset in "Zz" or offset.strip("+-0") == ""
    zone = "+0000 UTC" if plain else f"{offset} {offset}"
    return f"{match['date']} {match['clock']}{fraction} {zone}"
