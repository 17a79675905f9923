"""Which script's turn it is: due times, missed runs, and runs that wait.

Pure: it is told the time, and neither waits nor runs anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Literal

from regbot.config.values import Config, Script
from regbot.events import Emit, RunMissed
from regbot.run.schedule import Due, Every, Schedule
from regbot.run.zones import local_timezone, parse_timezone
from regbot.values import dataclass

_ON_TIME = 60.0
"""Seconds; a run that begins within these is on time."""
_WAS_AWAY = "its time was missed"
_IS_GOING = "the last run is still going"
_WAITS = "the last run waits for its turn"
_IS_ANOTHER = "the script has another schedule now"


Work = Literal["run", "plan", "apply"]
"""What a turn is for: to run a script, to make a plan of it, or to apply a plan."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A run of a script: when it is ``due``, and ``at`` which time it begins, by its jitter.

    One that somebody asked for ``is_asked``: it was due when it was asked for. Where the
    ``work`` is to apply a ``plan``, by its id, the script stands for all that the plan is of,
    and ``scripts`` are their names.
    """

    script: Script
    due: datetime
    at: datetime
    work: Work = "run"
    is_asked: bool = False
    plan: str = ""
    scripts: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The scripts of which nothing else may run meanwhile."""
        return frozenset(self.scripts or (self.script.name,))

    def asks_the_same(self, other: Turn) -> bool:
        """Whether it is as good as another one that somebody asked for."""
        return (self.work, self.script.name) == (other.work, other.script.name)


@dataclass(slots=True)
class _Entry:
    """A script: its ``upcoming`` run, the one that waits for its turn, and the one before."""

    rule: Due
    upcoming: Turn
    before: datetime | None
    waiting: Turn | None = None


def due_rules(config: Config) -> list[tuple[Script, Due]]:
    """The enabled scripts, and when each is due."""
    return [(script, _rule_of(script)) for script in config.scripts if script.enabled]


def _rule_of(script: Script) -> Due:
    if script.schedule:
        name = script.timezone
        zone = parse_timezone(name) if name else local_timezone(os.environ)
        return Schedule.parse(script.schedule, zone)
    return Every(script.interval or 0.0)


def rule_text(script: Script) -> str:
    """The rule by which a script is due, as it is compared with that of its last run."""
    if script.schedule:
        return f"{script.schedule} {script.timezone}".strip()
    return f"@every {script.interval}"


def turn_at(script: Script, rule: Due, due: datetime) -> Turn:
    """The run that is due then, with the delay that its jitter gives it.

    The delay is drawn from the script's name and the time, in whole seconds, so that every
    machine draws the same. It is less than the time to the next run.
    """
    most = int(script.jitter)
    if not most:
        return Turn(script, due, due)
    gap = (rule.next(due) - due).total_seconds()
    drawn = sha256(f"{script.name}\n{due.timestamp():.0f}".encode()).digest()
    choices = max(1, min(most + 1, int(gap)))
    delay = int.from_bytes(drawn[:8], "big") % choices
    return Turn(script, due, rule_time(due, delay))


def rule_time(due: datetime, delay: float) -> datetime:
    """A time so many seconds later, also where clocks change in between."""
    return Every(delay).next(due)


def turns_from(script: Script, rule: Due, due: datetime) -> Iterator[Turn]:
    """The run that is due then, and all that follow."""
    while True:
        yield turn_at(script, rule, due)
        due = rule.next(due)


class Timetable:
    """The scripts of a server, and whose turn it is.

    ``before`` is when the last run of a script was due, by the script's name: what was
    due since then and did not run was missed. It is not for threads to share.
    """

    def __init__(
        self,
        scripts: Sequence[tuple[Script, Due]],
        now: datetime,
        emit: Emit,
        before: Mapping[str, datetime],
    ) -> None:
        self._emit = emit
        self._now = now
        self._entries = {
            script.name: self._entry(script, rule, before.get(script.name))
            for script, rule in scripts
        }
        self._asked: list[Turn] = []
        self._running: list[Turn] = []

    def _entry(self, script: Script, rule: Due, before: datetime | None) -> _Entry:
        begin = (before or self._now).astimezone(self._now.tzinfo).replace(microsecond=0)
        due = rule.next(begin)
        entry = _Entry(rule, turn_at(script, rule, due), before)
        if before and before > self._now:
            self._set_back(entry)
        return entry

    @property
    def upcoming(self) -> list[Turn]:
        """The next run of each script."""
        return [entry.upcoming for entry in self._entries.values()]

    @property
    def waiting(self) -> set[str]:
        """The names of the scripts of which a run waits for its turn."""
        due = {name for name, entry in self._entries.items() if entry.waiting}
        return due.union(*(turn.names for turn in self._asked))

    @property
    def size(self) -> int:
        """How many scripts there are."""
        return len(self._entries)

    def change(self, scripts: Sequence[tuple[Script, Due]]) -> list[Turn]:
        """Go on with these scripts; the next runs of those that are new.

        A script with the same schedule keeps its due times, and the run that waits. With
        another schedule it begins anew. Runs of scripts that are gone don't begin any more.
        """
        before, self._entries = self._entries, {}
        new: list[Turn] = []
        for script, rule in scripts:
            known = before.get(script.name)
            is_same = known and rule_text(known.upcoming.script) == rule_text(script)
            if known and is_same:
                entry = _Entry(rule, turn_at(script, rule, known.upcoming.due), known.before)
                if known.waiting:
                    entry.waiting = replace(known.waiting, script=script)
            else:
                entry = self._entry(script, rule, None)
                new.append(entry.upcoming)
                if known and known.waiting:
                    self._miss(known.waiting, _IS_ANOTHER)
            self._entries[script.name] = entry
        asked = [turn for turn in self._asked if turn.plan or turn.script.name in self._entries]
        self._asked = [self._renewed(turn) for turn in asked]
        return new

    def _renewed(self, turn: Turn) -> Turn:
        """A run that somebody asked for, with its script as it is now."""
        if turn.plan:
            return turn
        return replace(turn, script=self._entries[turn.script.name].upcoming.script)

    def advance(self, now: datetime) -> list[Turn]:
        """It is ``now``: runs whose time has come wait for their turn, or are left out.

        Returns the next runs of the scripts for which that made a difference.
        """
        if now < self._now:
            self._now = now
            for entry in self._entries.values():
                self._set_back(entry)
        self._now = now
        come = [entry for entry in self._entries.values() if entry.upcoming.at <= now]
        for entry in come:
            self._come(entry)
        return [entry.upcoming for entry in come]

    def ask(self, turn: Turn) -> bool:
        """A run that somebody asks for waits for its turn; False if the same waits already.

        To apply a plan that is being applied makes no sense, so that counts as well.
        """
        if self.has_plan(turn.plan) if turn.plan else any(map(turn.asks_the_same, self._asked)):
            return False
        self._asked.append(turn)
        return True

    def has_plan(self, plan: str) -> bool:
        """Whether a plan waits to be applied, or is being applied."""
        return any(turn.plan == plan for turn in (*self._asked, *self._running))

    def take(self) -> Turn | None:
        """The run whose turn it is, which begins: of those that can, the oldest."""
        busy = self._busy()
        due = [entry.waiting for entry in self._entries.values() if entry.waiting]
        ready = [turn for turn in (*due, *self._asked) if not turn.names & busy]
        if not ready:
            return None
        turn = min(ready, key=lambda turn: (turn.at, turn.script.name))
        if turn.is_asked:
            self._asked.remove(turn)
        else:
            self._entries[turn.script.name].waiting = None
        self._running.append(turn)
        return turn

    def ended(self, turn: Turn) -> None:
        """A run that began has ended."""
        self._running.remove(turn)

    def _busy(self) -> set[str]:
        """The scripts of which something is running."""
        return set[str]().union(*(turn.names for turn in self._running))

    def _come(self, entry: _Entry) -> None:
        """The time of a run has come, and perhaps of others after it: the last one counts."""
        first, script = entry.upcoming, entry.upcoming.script
        turn = turn_at(script, entry.rule, entry.rule.last(first.due, self._now))
        if turn.at > self._now:
            self._miss(first, _WAS_AWAY)
            entry.upcoming = turn
            return
        entry.before = turn.due
        entry.upcoming = turn_at(script, entry.rule, entry.rule.next(turn.due))
        late = (self._now - turn.at).total_seconds()
        if late <= _ON_TIME:
            if first.due != turn.due:
                self._miss(first, _WAS_AWAY)
            self._queue(entry, turn)
        elif script.misfire == "once" and late <= script.misfire_grace:
            self._miss(turn, _WAS_AWAY, is_late=True)
            self._queue(entry, turn)
        else:
            self._miss(turn, _WAS_AWAY)

    def _queue(self, entry: _Entry, turn: Turn) -> None:
        if entry.waiting:
            self._miss(turn, _WAITS)
        elif turn.script.overlap == "skip" and turn.script.name in self._busy():
            self._miss(turn, _IS_GOING)
        else:
            entry.waiting = turn

    def _miss(self, turn: Turn, why: str, *, is_late: bool = False) -> None:
        self._emit(RunMissed(turn.script.name, turn.due, why, is_late))

    def _set_back(self, entry: _Entry) -> None:
        """The clock was set back, so that the next run may be due earlier.

        A time of day that ran already does not run again, unless the clock was set back by
        more than ``misfire_grace``: else a clock that was far ahead would stop the script.
        """
        script, due = entry.upcoming.script, entry.rule.next(self._now)
        if due >= entry.upcoming.due:
            return
        if entry.rule.follows_clock and entry.before:
            ahead = (entry.before - self._now).total_seconds()
            if ahead <= script.misfire_grace:
                return
        entry.upcoming, entry.before = turn_at(script, entry.rule, due), None
