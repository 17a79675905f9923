"""Runs in units that any worker does: handed out here, followed to their end, and done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from regbot.config.values import Config
from regbot.errors import Stopped, StorageError
from regbot.events import RunResult, in_run
from regbot.journal.opening import open_journal
from regbot.journal.records import ActionRecord
from regbot.journal.slot import JournalSlot
from regbot.plan.outcome import Outcome
from regbot.run import unitwork
from regbot.run.again import outcomes_of_failed
from regbot.run.cluster.following import Follower, by_script
from regbot.run.cluster.progress import UnitRecord
from regbot.run.cluster.units import HandedOut, NewUnit, Taken, Units
from regbot.run.cluster.worker import Done
from regbot.run.services import Services
from regbot.run.unit import Course, Unit, UnitResult, finished, first_units, units_after
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
        follower = self._follower(course, services)
        try:
            return _results(follower, stop)
        except Stopped:
            self._cancel(course.run)
            follower.look()
        return follower.results()

    def follow(self, course: Course, services: Services, stop: Stop) -> list[RunResult]:
        """Wait until a run that was handed out has ended; its outcomes are those of ``services``.

        Raises Stopped, and then the run goes on.
        """
        return _results(self._follower(course, services), stop)

    def _cancel(self, run: str) -> None:
        try:
            self._units.cancel(run)
        except StorageError as error:
            goes_on = "so workers go on with it when they can reach the database"
            text = f"the run {run} could not be cancelled, {goes_on} (regbot cancel {run})"
            raise StorageError(f"{text}: {error}") from error

    def _follower(self, course: Course, services: Services) -> Follower:
        return Follower(
            self._units, self._entries, course, services, lambda: self.actions(course.run)
        )

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
                course.plan,
                self._config.journal_keep,
            ),
            self._new(first_units(course)),
        )

    def records(self, run: str = "") -> list[UnitRecord]:
        """The units of a run, or of all runs that have not ended."""
        return self._units.progress.records(run)

    def do(self, bot: Bot, journal: Journal, taken: Taken, attempt: Attempt) -> Done:
        """Do a unit with a bot of its config. Raises StorageError."""
        handed_out = self._units.course(taken.run)
        course = self._course_of(handed_out)
        unit = self._entries.unit(taken.content)
        parts, before = self._needed(course, unit) if unit.kind == "judge" else ((), ())
        result = do_attempt(bot, unit, handed_out.kind, journal, attempt, parts, before)
        timeout = bot.script(unit.script).timeout
        had_its_time = timeout is not None and result.seconds >= timeout
        is_final = result.outcomes or result.guarded or had_its_time
        if result.status == "failed" and not is_final:
            return Done("waiting", result.error, None, _nothing)
        return self._done(course, unit, result)

    def give_up(self, journal: Journal, taken: Taken, error: str) -> Done:
        """What becomes of a unit that can't be done. Raises StorageError."""
        course = self._course_of(self._units.course(taken.run))
        unit = self._entries.unit(taken.content)
        outcomes = outcomes_of_failed(unit, error, journal.actions(unit.run))
        return self._done(course, unit, UnitResult("failed", error, outcomes=outcomes))

    def actions(self, run: str) -> Sequence[ActionRecord]:
        """What a run changed, by the history."""
        with open_journal(self._config.state) as journal:
            return journal.actions(run)

    def _done(self, course: Course, unit: Unit, result: UnitResult) -> Done:
        def following(open_units: Mapping[str, int]) -> Sequence[NewUnit]:
            return self._new(units_after(course, unit, result, open_units))

        content = self._entries.of_result(replace(result, parts=()))  # the units have them
        return Done(result.status, result.error, content, following)

    def _needed(self, course: Course, unit: Unit) -> tuple[Sequence[UnitResult], Sequence[Outcome]]:
        """What a judge has to know: the other units of its script, and the scripts before it."""
        ended = by_script(self._units.ended(unit.run), self._entries)
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


def _results(follower: Follower, stop: Stop) -> list[RunResult]:
    """What became of the scripts of a run, as soon as it has ended. Raises Stopped."""
    while True:
        if follower.look():
            with suppress(StorageError):
                return follower.results()
        stop.wait(_LOOKED_EVERY)


def do_attempt(
    bot: Bot,
    unit: Unit,
    kind: str,
    journal: Journal,
    attempt: Attempt,
    parts: Sequence[UnitResult] = (),
    before: Sequence[Outcome] = (),
) -> UnitResult:
    """Do a unit of a run as an attempt, and note in a journal what it changes.

    ``kind`` is that of the run; ``parts`` and ``before`` are as in run.unitwork.do_unit.
    Raises StorageError where something was left undone because the journal could not be
    written: another attempt may do it.
    """
    emit = in_run(bot.emit, unit.run, unit.script)
    slot = JournalSlot(bot.journal_settings, kind, journal, run_id=unit.run, attempt=attempt)
    answers = bot.answers(emit)
    services = replace(bot.services, emit=emit, journal=slot, answers=answers)
    try:
        earlier = journal.actions(unit.run) if attempt.number > 1 else ()
        result = unitwork.do_unit(
            unit,
            bot.script,
            services,
            bot.stop.for_attempt(attempt),
            parts=parts,
            before=before,
            earlier=earlier,
        )
    finally:
        slot.finish("done")
        if answers:
            answers.close()
    if slot.trouble and result.status != "stopped":
        raise slot.trouble
    return result


def _nothing(_open: Mapping[str, int]) -> Sequence[NewUnit]:
    return ()
