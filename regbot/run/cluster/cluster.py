"""Runs in units that any worker does: handed out here, followed to their end, and done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from regbot.config.values import Config
from regbot.errors import Stopped, StorageError
from regbot.events import (
    Emit,
    Message,
    RepositoryEnded,
    RunResult,
    ScriptEnded,
    ScriptStarted,
    StepsAhead,
)
from regbot.plan.outcome import ActionDone, Outcome
from regbot.run.cluster.units import (
    CANCELLED,
    EndedUnit,
    HandedOut,
    NewUnit,
    Taken,
    UnitRecord,
    Units,
)
from regbot.run.cluster.worker import Done
from regbot.run.services import Services
from regbot.run.unit import (
    Course,
    Ended,
    Finished,
    Unit,
    UnitResult,
    finished,
    first_units,
    judged_first,
    units_after,
)
from regbot.run.unitentries import UnitEntries
from regbot.stopping import Attempt, Stop

if TYPE_CHECKING:
    from regbot.journal.journal import Journal
    from regbot.run.bot import Bot

_LOOKED_EVERY = 0.3
"""Seconds from one look at a run to the next."""


class Cluster:
    """The runs of one config that are handed out to workers; threads may share it."""

    def __init__(self, units: Units, config: Config, config_path: str) -> None:
        self._units = units
        self._config = config
        self._config_path = config_path
        self._entries = UnitEntries(config.defaults.work_dir)

    def run(self, kind: str, course: Course, services: Services, stop: Stop) -> list[RunResult]:
        """Hand out a run, and wait until it has ended; its outcomes are those of ``services``.

        A request to stop cancels it. Raises StorageError when it can't be handed out.
        """
        self.hand_out(kind, course)
        follower = _Follower(self._units, self._entries, course, services)
        try:
            while not follower.look():
                stop.wait(_LOOKED_EVERY)
        except Stopped:
            self._units.cancel(course.run)
            follower.look()
        return follower.results()

    def hand_out(self, kind: str, course: Course) -> bool:
        """Hand out a run; False if one with this id was handed out already."""
        content = {
            "scripts": [script.name for script in course.scripts],
            "dry_run": course.dry_run,
            "evidence": course.evidence,
            "whole": course.whole,
            "parallel": course.parallel,
        }
        return self._units.hand_out(
            HandedOut(
                course.run,
                kind,
                self._config_path,
                self._config.fingerprint,
                json.dumps(content).encode(),
            ),
            self._new(first_units(course)),
        )

    def records(self, run: str = "") -> list[UnitRecord]:
        """The units of a run, or of all runs that have not ended."""
        return self._units.records(run)

    def do(self, bot: Bot, journal: Journal, taken: Taken, attempt: Attempt) -> Done:
        """Do a unit with a bot of its config. Raises StorageError."""
        handed_out = self._units.course(taken.run)
        course = self._course_of(handed_out)
        unit = self._entries.unit(taken.content)
        parts, before = self._needed(course, unit) if unit.kind == "judge" else ((), ())
        result = bot.do_unit(unit, handed_out.kind, journal, attempt, parts, before)
        is_worth_trying = not (result.outcomes or result.guarded)
        if result.status == "failed" and is_worth_trying:
            return Done("waiting", result.error, None, _nothing)
        return self._done(course, unit, result)

    def give_up(self, taken: Taken, error: str) -> Done:
        """What becomes of a unit that can't be done."""
        course = self._course_of(self._units.course(taken.run))
        unit = self._entries.unit(taken.content)
        return self._done(course, unit, UnitResult("failed", error))

    def close(self, journal: Journal) -> None:
        """Note in the history which runs have ended."""
        for ended in self._units.to_close():
            journal.end_run(ended.run, ended.ending)
            self._units.closed(ended.run)

    def _done(self, course: Course, unit: Unit, result: UnitResult) -> Done:
        def following(open_units: Mapping[str, int]) -> Sequence[NewUnit]:
            return self._new(units_after(course, unit, result, open_units))

        content = self._entries.of_result(result)
        return Done(result.status, result.error, content, following)

    def _needed(self, course: Course, unit: Unit) -> tuple[Sequence[UnitResult], Sequence[Outcome]]:
        """What a judge has to know: the other units of its script, and the scripts before it."""
        ended = _by_script(self._units.ended(unit.run), self._entries)
        parts = [result for _, result in ended.get(unit.script, ())]
        if not course.dry_run:
            return parts, ()
        before: list[Outcome] = []
        for script in course.scripts:
            if script.name == unit.script:
                break
            before += finished(script, ended.get(script.name, ()), 0.0).outcomes
        return parts, before

    def _course_of(self, handed_out: HandedOut) -> Course:
        """What a run is about. Raises StorageError for one that this config can't have."""
        try:
            content = json.loads(handed_out.content)
            scripts = {script.name: script for script in self._config.scripts}
            return Course(
                handed_out.run,
                tuple(scripts[name] for name in content["scripts"]),
                bool(content["dry_run"]),
                bool(content["evidence"]),
                bool(content["whole"]),
                int(content["parallel"]),
            )
        except (ValueError, KeyError, TypeError):
            raise StorageError(f"the run {handed_out.run} in the queue can't be read") from None

    def _new(self, units: Sequence[Unit]) -> list[NewUnit]:
        return [
            NewUnit(unit.id, unit.script, unit.kind, unit.repository, self._entries.of_unit(unit))
            for unit in units
        ]


class _Follower:
    """Follows a run, and tells what happens in it as a run here would."""

    def __init__(
        self, units: Units, entries: UnitEntries, course: Course, services: Services
    ) -> None:
        self._units = units
        self._entries = entries
        self._course = course
        self._services = services
        self._emit: Emit = services.emit
        self._seen: set[str] = set()
        self._begun: set[str] = set()
        self._trouble = ""

    def look(self) -> bool:
        """Tell what happened since the last look; whether the run has ended."""
        try:
            has_ended = bool(self._units.course(self._course.run).status)
            for unit_id in self._units.ended_ids(self._course.run) - self._seen:
                self._tell(self._units.ended_unit(unit_id))
                self._seen.add(unit_id)
            self._trouble = ""
        except StorageError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                self._emit(Message("warn", f"can't see how the run goes on: {error}"))
            return False
        return has_ended

    def results(self) -> list[RunResult]:
        """What became of each script; their outcomes are kept."""
        ended = _by_script(self._units.ended(self._course.run), self._entries)
        results = []
        for script in self._course.scripts:
            units = ended.get(script.name, [])
            seconds = sum(result.seconds for _, result in units)
            came_to: Finished = finished(script, units, seconds)
            for outcome in came_to.outcomes:
                self._services.outcomes.add(outcome)
            self._services.outcomes.keep(came_to.kept)
            self._begin(script.name)
            self._emit(ScriptEnded(came_to.result, self._course.dry_run))
            results.append(came_to.result)
        return results

    def _begin(self, script: str) -> None:
        if script not in self._begun:
            self._begun.add(script)
            self._emit(ScriptStarted(script, self._course.dry_run))

    def _tell(self, ended: EndedUnit) -> None:
        unit, result = _read(ended, self._entries)
        self._begin(unit.script)
        script = next(each for each in self._course.scripts if each.name == unit.script)
        is_trial = judged_first(script, dry_run=unit.dry_run) and unit.kind == "repository"
        for outcome in result.outcomes:
            planned = unit.dry_run or is_trial
            self._emit(ActionDone(outcome, planned, is_trial and outcome.status == "planned"))
        if unit.kind == "split":
            self._emit(StepsAhead(unit.script, "repository", len(result.places)))
        elif unit.kind == "repository":
            self._emit(RepositoryEnded(unit.script, unit.repository))


def _by_script(ended: Sequence[EndedUnit], entries: UnitEntries) -> dict[str, list[Ended]]:
    """Units that have ended, by their scripts."""
    scripts: dict[str, list[Ended]] = {}
    for each in ended:
        unit, result = _read(each, entries)
        scripts.setdefault(unit.script, []).append((unit, result))
    return scripts


def _read(ended: EndedUnit, entries: UnitEntries) -> Ended:
    """A unit and its result; one that was cancelled has none."""
    unit = entries.unit(ended.content)
    if ended.result is None:
        return unit, UnitResult("stopped", ended.error or CANCELLED)
    return unit, entries.result(ended.result)


def _nothing(_open: Mapping[str, int]) -> Sequence[NewUnit]:
    return ()
