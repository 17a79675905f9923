"""Cron expressions: five fields, read once and written so that they mean one thing only.

The fields mean what they mean to the Go program, whose parser is the standard one of
robfig/cron v3: numbers, names of months and weekdays, ranges, lists and steps, where
``N/step`` goes on to the end, and ``?`` is ``*``. Where both the day of the month and the
weekday are given, either is enough; a field with a ``*`` is not given, unless a step of 2
or more follows. Weekday 7 is Sunday too, as for most cron daemons.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field

from regbot.errors import InvalidValue
from regbot.values import dataclass

_PART = re.compile(
    r"(?:(?P<star>[*?])|(?P<first>[0-9]{1,4}|[a-z]{3})(?:-(?P<last>[0-9]{1,4}|[a-z]{3}))?)"
    r"(?:/(?P<step>[0-9]{1,4}))?",
    re.ASCII,
)
_STAR = re.compile(r"[*?](?:/0*1)?")
_SHOWN = 20
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True, slots=True)
class _Kind:
    """A field and its values. ``also`` maps values to the ones they stand for."""

    name: str
    lowest: int
    highest: int
    names: Mapping[str, int] = field(default_factory=dict)
    also: Mapping[int, int] = field(default_factory=dict)

    @property
    def all(self) -> frozenset[int]:
        return frozenset(range(self.lowest, self.highest + 1))


_MINUTE = _Kind("minute", 0, 59)
_HOUR = _Kind("hour", 0, 23)
_DAY = _Kind("day of the month", 1, 31)
_MONTH = _Kind("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)})
_WEEKDAY = _Kind("weekday", 0, 6, {name: number for number, name in enumerate(_WEEKDAYS)}, {7: 0})


@dataclass(frozen=True, slots=True)
class _Field:
    """The values of a field, and whether a ``*`` leaves it unrestricted."""

    kind: _Kind
    values: frozenset[int]
    star: bool

    @classmethod
    def parse(cls, text: str, kind: _Kind) -> _Field:
        parts = [part for part in text.lower().split(",") if part]
        if not parts:
            raise InvalidValue(f"the {kind.name} is empty (write * for every one)")
        values = frozenset[int]().union(*(_values(part, kind) for part in parts))
        return cls(kind, values, any(_STAR.fullmatch(part) for part in parts))

    @property
    def is_full(self) -> bool:
        return self.values == self.kind.all

    def __str__(self) -> str:
        return "*" if self.is_full else ",".join(map(str, sorted(self.values)))


def plain_fields(text: str) -> str:
    """Five fields as ``*`` and lists of numbers, where ``*`` is written for every full field.

    The day of the month and the weekday are both lists only where either is enough.
    Raises InvalidValue that says which field is wrong and what to write.
    """
    kinds = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)
    texts = text.split()
    if len(texts) != len(kinds):
        given = "1 field" if len(texts) == 1 else f"{len(texts)} fields"
        raise InvalidValue(f'{given}, not 5 (write "15 3 * * *", @daily or @every 1h)')
    minute, hour, day, month, weekday = map(_Field.parse, texts, kinds)
    days = f"{day}", f"{weekday}"
    if not (day.star or weekday.star) and (day.is_full or weekday.is_full):
        days = "*", "*"  # either is enough, and one of them always holds
    return f"{minute} {hour} {days[0]} {month} {days[1]}"


def _values(part: str, kind: _Kind) -> frozenset[int]:
    """The values of one part of a list."""
    match = _PART.fullmatch(part)
    what = f"{kind.name} {part[:_SHOWN]!r}"
    if match is None:
        raise InvalidValue(f"{what} is not understood (write it as 5, 1-5, */15 or 1,15)")
    step = 1 if match["step"] is None else int(match["step"])
    if step == 0:
        raise InvalidValue(f"{what} has a step of 0 (write 1 or more)")
    if match["star"]:
        return frozenset(range(kind.lowest, kind.highest + 1, step))
    first = _number(match["first"], kind)
    last = _number(match["last"], kind) if match["last"] else first
    if match["step"] and not match["last"]:
        last = kind.highest
    if last < first:
        raise InvalidValue(f"{what} ends before it begins (write the lower one first)")
    return frozenset(kind.also.get(value, value) for value in range(first, last + 1, step))


def _number(text: str, kind: _Kind) -> int:
    if not text.isdigit():
        if text not in kind.names:
            known = f"{', '.join(kind.names)} or " if kind.names else ""
            raise InvalidValue(
                f"{kind.name} {text!r} is not known (write {known}{kind.lowest}-{kind.highest})"
            )
        return kind.names[text]
    number = int(text)
    if number not in kind.all and number not in kind.also:
        raise InvalidValue(f"{kind.name} {text} is out of range ({kind.lowest}-{kind.highest})")
    return number
