"""When something is due: cron expressions in a time zone, and plain intervals.

Expressions are those of the Go program: five fields, ``@daily`` and its like,
``@every 1h30m``, with ``CRON_TZ=Europe/Paris`` (or ``TZ=``) in front. When clocks
change, a schedule with fixed hours follows the wall clock: a time that is skipped moves
on by the gap, and of a time that occurs twice the first one counts. A schedule of every
hour follows real time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol

from regbot.errors import InvalidValue
from regbot.run.cron import plain_fields
from regbot.run.zones import parse_timezone
from regbot.units import parse_duration
from regbot.values import dataclass

_PREFIX = re.compile(r"(?:CRON_)?TZ=(\S+)\s+")
_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_SHORTEST_GAP = timedelta(minutes=1)
_LONGEST_GAP = timedelta(hours=3)
_SOME_DAY = datetime(2024, 1, 1)  # noqa: DTZ001 - a wall clock's time


class Due(Protocol):
    """A rule for when a run is due."""

    @property
    def follows_clock(self) -> bool:
        """Whether the time of day decides, and not the time that has passed."""
        ...

    def next(self, after: datetime) -> datetime:
        """The first time later than ``after``, which has a time zone."""
        ...

    def last(self, first: datetime, until: datetime) -> datetime:
        """The last time that is not later than ``until``. ``first`` is one."""
        ...


@dataclass(frozen=True, slots=True)
class Every:
    """Due at a fixed interval, in seconds."""

    seconds: float

    @property
    def follows_clock(self) -> bool:
        """The time that has passed decides."""
        return False

    def next(self, after: datetime) -> datetime:
        """The time one interval later."""
        return self._later(after, self.seconds)

    def last(self, first: datetime, until: datetime) -> datetime:
        """The last time that is not later than ``until``. ``first`` is one."""
        intervals = (until - first).total_seconds() // self.seconds
        return self._later(first, intervals * self.seconds)

    def _later(self, time: datetime, seconds: float) -> datetime:
        return (time.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(time.tzinfo)


@dataclass(frozen=True, slots=True)
class Cron:
    """Due when the wall clock in a time zone matches five plain fields (``cron.plain_fields``)."""

    fields: str
    zone: tzinfo

    @property
    def follows_clock(self) -> bool:
        """The time of day decides."""
        return True

    def last(self, first: datetime, until: datetime) -> datetime:
        """The last time that is not later than ``until``. ``first`` is one.

        It is looked for near ``until`` first, since the two may be years apart.
        """
        time, span = first, _SHORTEST_GAP
        while until - span > first:
            near = self.next(until - span)
            if near <= until:
                time = near
                break
            span *= 2
        while (later := self.next(time)) <= until:
            time = later
        return time

    def next(self, after: datetime) -> datetime:
        """The first match later than ``after``, in the schedule's zone."""
        best: datetime | None = None
        wall = self._start(after)
        while True:
            wall = _next_match(self.fields, wall)
            times = self._times(wall)
            if best and times and times[0] > best:
                return best.astimezone(self.zone)
            best = min((time for time in (*times, best) if time and time > after), default=None)

    def _start(self, after: datetime) -> datetime:
        """The wall clock's time to search from.

        Near a change of the clocks, times that it showed already may come again.
        """
        moments = (after, after - _LONGEST_GAP, after + _LONGEST_GAP)
        now, *around = (moment.astimezone(UTC).astimezone(self.zone) for moment in moments)
        wall = now.replace(tzinfo=None, fold=0)
        same = all(moment.utcoffset() == now.utcoffset() for moment in around)
        return wall if same else wall - _LONGEST_GAP

    def _times(self, wall: datetime) -> list[datetime]:
        """The moments, in UTC, that a time of the wall clock stands for."""
        folds = [wall.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
        if self.fields.split()[1] != "*":
            return folds[:1]
        shown = [moment.astimezone(self.zone).replace(tzinfo=None, fold=0) for moment in folds]
        return sorted({moment for moment, time in zip(folds, shown, strict=True) if time == wall})


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule: its text and its rule."""

    text: str
    rule: Due

    @classmethod
    def parse(cls, text: str, timezone: tzinfo) -> Schedule:
        """Read a schedule. ``timezone`` applies if the text names none.

        Raises InvalidValue, also for a schedule that never occurs, such as 31 February.
        """
        body = text.strip()
        prefix = _PREFIX.match(body)
        zone = parse_timezone(prefix[1]) if prefix else timezone
        body = body[prefix.end() :] if prefix else body
        if body.startswith("@every "):
            return cls(text, Every(_interval(body)))
        if body.startswith("@") and body not in _NAMED:
            raise InvalidValue(f"{_shown(body)} is not a schedule ({', '.join(_NAMED)}, @every)")
        return cls(text, Cron(_fields(_NAMED.get(body, body)), zone))

    @property
    def follows_clock(self) -> bool:
        """Whether the time of day decides, and not the time that has passed."""
        return self.rule.follows_clock

    def next(self, after: datetime) -> datetime:
        """The first time later than ``after``, which has a time zone."""
        return self.rule.next(after)

    def last(self, first: datetime, until: datetime) -> datetime:
        """The last time that is not later than ``until``. ``first`` is one."""
        return self.rule.last(first, until)


def _interval(body: str) -> float:
    try:
        seconds = parse_duration(body.removeprefix("@every "))
    except InvalidValue:
        raise InvalidValue(f"{_shown(body)} has no duration (write @every 1h30m)") from None
    if seconds <= 0:
        raise InvalidValue(f"{_shown(body)} needs a duration of more than 0 (such as 1h)")
    return max(1.0, float(int(seconds)))


def _fields(body: str) -> str:
    from croniter import CroniterBadDateError

    try:
        fields = plain_fields(body)
        _next_match(fields, _SOME_DAY)
    except InvalidValue as error:
        raise InvalidValue(f"{_shown(body)} is not a schedule: {error}") from None
    except CroniterBadDateError:
        raise InvalidValue(f"{_shown(body)} never occurs (there is no such day)") from None
    return fields


def _next_match(fields: str, after: datetime) -> datetime:
    from croniter import croniter

    due: datetime = croniter(fields, after).get_next(datetime)
    return due


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
