"""A run that was handed out, followed to its end: told as one that is done here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from regbot.config.values import Script
from regbot.errors import StorageError
from regbot.events import (
    Emit,
    Message,
    RepositoryEnded,
    RunResult,
    ScriptEnded,
    ScriptStarted,
    StepsAhead,
)
from regbot.journal.records import ActionRecord
from regbot.plan.outcome import ActionDone
from regbot.run.again import with_earlier
from regbot.run.cluster.units import CANCELLED, EndedUnit, Units
from regbot.run.services import Services
from regbot.run.unit import Course, Ended, Finished, UnitResult, finished, judged_first
from regbot.run.unitentries import UnitEntries

_LOOKED_BACK = 5.0
"""Seconds by which the clock of the database may be set back between two looks."""
_NOT_TAKEN_FOR = 10.0
"""Seconds without any work at a run that nobody has begun, after which people should know."""
_NOT_TAKEN = (
    "no worker has begun with this run (start `regbot worker` with exactly the same config and"
    " scripts; `regbot units` lists what waits and what workers do)"
)


class Follower:
    """Follows a run, and tells what happens in it as a run here would.

    ``actions`` gives what the journal has of it.
    """

    def __init__(
        self,
        units: Units,
        entries: UnitEntries,
        course: Course,
        services: Services,
        actions: Callable[[], Sequence[ActionRecord]],
    ) -> None:
        self._units = units
        self._entries = entries
        self._course = course
        self._services = services
        self._actions = actions
        self._emit: Emit = services.emit
        self._seen: set[str] = set()
        self._seen_until = 0.0
        self._begun: set[str] = set()
        self._trouble = ""
        self._is_told_to_wait = False

    def look(self) -> bool:
        """Tell what happened since the last look; whether the run has ended."""
        try:
            has_ended = bool(self._units.course(self._course.run).status)
            since = self._seen_until - _LOOKED_BACK
            for unit_id, ended in self._units.ended_ids(self._course.run, since):
                if unit_id not in self._seen:
                    self._tell(self._units.ended_unit(unit_id))
                    self._seen.add(unit_id)
                    self._seen_until = max(self._seen_until, ended)
            if not (has_ended or self._seen or self._is_told_to_wait):
                self._tell_if_nobody_begins()
            self._trouble = ""
        except StorageError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                self._emit(Message("warn", f"can't see how the run goes on: {error}"))
            return False
        return has_ended

    def _tell_if_nobody_begins(self) -> None:
        if self._units.is_idle(self._course.run, _NOT_TAKEN_FOR):
            self._is_told_to_wait = True
            self._emit(Message("warn", _NOT_TAKEN))

    def results(self) -> list[RunResult]:
        """What became of each script, or of a plan as a whole; their outcomes are kept."""
        ended = by_script(self._units.ended(self._course.run), self._entries)
        results = []
        for script in self._course.scripts or (Script(),):
            units = self._with_actions(ended.get(script.name, []))
            seconds = sum(result.seconds for _, result in units)
            came_to: Finished = finished(script, units, seconds)
            for outcome in came_to.outcomes:
                self._services.outcomes.add(outcome)
            self._services.outcomes.keep(came_to.kept)
            if script.name:
                self._begin(script.name)
                self._emit(ScriptEnded(came_to.result, self._course.dry_run))
            results.append(came_to.result)
        return results

    def _with_actions(self, ended: Sequence[Ended]) -> list[Ended]:
        """The same. Units that were cancelled handed nothing in, but may have changed much."""
        is_cut_off = any(result.status == "stopped" for _, result in ended)
        if self._course.dry_run or not is_cut_off:
            return list(ended)
        actions = self._actions()
        return [
            (unit, replace(result, outcomes=with_earlier(unit, result.outcomes, actions)))
            if result.status == "stopped"
            else (unit, result)
            for unit, result in ended
        ]

    def _begin(self, script: str) -> None:
        if script not in self._begun:
            self._begun.add(script)
            self._emit(ScriptStarted(script, self._course.dry_run))

    def _tell(self, ended: EndedUnit) -> None:
        unit, result = _unit_of(ended, self._entries)
        is_trial = False
        if unit.script:
            self._begin(unit.script)
            script = next(each for each in self._course.scripts if each.name == unit.script)
            is_trial = judged_first(script, dry_run=unit.dry_run) and unit.kind == "repository"
        for tag in result.left_behind:
            self._emit(tag)
        for outcome in result.outcomes:
            planned = unit.dry_run or is_trial
            self._emit(ActionDone(outcome, planned, is_trial and outcome.status == "planned"))
        if unit.kind == "split":
            self._emit(StepsAhead(unit.script, "repository", len(result.places)))
        elif unit.kind == "repository":
            self._emit(RepositoryEnded(unit.script, unit.repository))


def by_script(ended: Sequence[EndedUnit], entries: UnitEntries) -> dict[str, list[Ended]]:
    """Units that have ended, by their scripts."""
    scripts: dict[str, list[Ended]] = {}
    for each in ended:
        unit, result = _unit_of(each, entries)
        scripts.setdefault(unit.script, []).append((unit, result))
    return scripts


def _unit_of(ended: EndedUnit, entries: UnitEntries) -> Ended:
    """A unit and its result; one that was cancelled has none."""
    unit = entries.unit(ended.content)
    if ended.result is None:
        return unit, UnitResult("stopped", ended.error or CANCELLED)
    return unit, entries.result(ended.result)
