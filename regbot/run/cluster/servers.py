"""What servers with one database agree on: which of them begins a run, and which follows it.

A run begins in one transaction: it is claimed, it is on record as the run of a server, and its
units wait. So it is either handed out or nobody has claimed it, whenever a server dies. Who
follows a run holds its name by its lease, and tells what becomes of it; when that server is gone,
another one follows the run. The units need no server.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from regbot.config.values import Script
from regbot.errors import StorageError
from regbot.events import RunResult
from regbot.journal.journal import Journal
from regbot.journal.records import ScriptRun
from regbot.plan.carrying import Planned
from regbot.run.cluster.cluster import Cluster
from regbot.run.cluster.due import DueClaims
from regbot.run.cluster.runs import course_of, course_of_plan, follow_in
from regbot.run.cluster.units import Units
from regbot.run.timetable import Turn
from regbot.run.unit import Course

if TYPE_CHECKING:
    from regbot.run.bot import Bot

Answer = TypeVar("Answer")

_LOOKED_EVERY = 1.0
"""Seconds from one look at a run of another config to the next."""
_NOBODY_FOR = 60.0
"""Seconds without any work at a run of another config after which nobody is left to do it."""
_WHY = "it was begun with another config or regbot (regbot units {run} shows what became of it)"
_NOT_KEPT = "it was begun with another config or regbot, so the plan is out of date"


class Servers:
    """The servers of one config that share a journal's database; threads may share it.

    ``config`` is the path of the config. Everything raises StorageError.
    """

    def __init__(self, journal: Journal, units: Units, config: str) -> None:
        self._journal = journal
        self._units = units
        self._config = config
        self._claims = DueClaims(journal.database)

    def deciding(self) -> AbstractContextManager[None]:
        """A transaction, in which no other server decides anything."""
        return self._journal.database.writing()

    def claim(self, script: Script, due: datetime) -> bool:
        """Whether nobody else runs what is due."""
        gap = 0.0 if script.schedule else script.interval or 0.0
        return self._claims.claim(self._config, script.name, due.timestamp(), gap)

    def is_going(self, scripts: Collection[str]) -> bool:
        """Whether one of these scripts is being run, whoever follows that."""
        return any(
            run.status == "running" or self._units.has(run.id)
            for run in self._journal.script_runs.open(self._config)
            if not run.scripts.isdisjoint(scripts)
        )

    def course_of(self, turn: Turn, plan: Sequence[Planned], bot: Bot) -> Course:
        """What a turn is about; its run has no id yet. ``plan`` is what it is to carry out."""
        if turn.plan:
            return course_of_plan(bot, plan, "", turn.plan)
        return course_of(bot, "", [turn.script])

    def hand_out(self, run: ScriptRun, course: Course, bot: Bot) -> None:
        """Let the units of a run wait for workers. To be called in ``deciding``.

        Raises Conflict for a plan that can't be applied any more.
        """
        if run.kind == "apply":
            self._journal.begin_plan(self._journal.plan(run.plan), here=False)
        self._cluster(bot).hand_out(_kind(run), replace(course, run=run.id))

    def follow(self, run: ScriptRun, script: Script, bot: Bot) -> RunResult:
        """Follow a run that was handed out to its end. Raises Stopped, and the run goes on."""
        if not self._patiently(lambda: self._units.is_for(run.id, bot.config.fingerprint), bot):
            return self._outlast(run, bot)
        course = course_of(bot, run.id, () if run.kind == "apply" else [script])
        ended = follow_in(self._cluster(bot), bot, _kind(run), course, run.script)
        (result,) = ended.results
        return replace(result, script=run.script)

    def _outlast(self, run: ScriptRun, bot: Bot) -> RunResult:
        """Wait for the end of a run of another config or regbot, which ends if nobody can do it.

        Nothing is known here of what it was about. Raises Stopped.
        """
        while not (status := self._patiently(lambda: self._units.course(run.id).status, bot)):
            with suppress(StorageError):
                if self._units.is_idle(run.id, _NOBODY_FOR):
                    self._units.cancel(run.id)
            bot.stop.wait(_LOOKED_EVERY)
        if status != "done":
            return RunResult(run.script, status, _WHY.format(run=run.id))
        if run.kind == "plan":
            return RunResult(run.script, "stopped", _NOT_KEPT)
        return RunResult(run.script, "done")

    def _patiently(self, ask: Callable[[], Answer], bot: Bot) -> Answer:
        """What the database says, as soon as it can be asked. Raises Stopped."""
        while True:
            with suppress(StorageError):
                return ask()
            bot.stop.wait(_LOOKED_EVERY)

    def abandoned(self) -> list[ScriptRun]:
        """The runs that no server follows any more."""
        return [
            run
            for run in self._journal.script_runs.open(self._config)
            if run.status == "interrupted" and self._units.has(run.id)
        ]

    def take_over(self, run: ScriptRun) -> bool:
        """Follow a run from now on; False if another server does, or it has ended."""
        with self.deciding():
            is_left = self._journal.script_runs.find(run.id).status == "interrupted"
            if is_left:
                self._journal.script_runs.hold(run.id)
        return is_left

    def _cluster(self, bot: Bot) -> Cluster:
        return Cluster(self._units, bot.config, bot.config_path)


def _kind(run: ScriptRun) -> str:
    """The kind of a server's run in the history."""
    return "apply" if run.kind == "apply" else "server"
