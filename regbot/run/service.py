"""A server: runs scripts when they are due, and knows where each of them is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from regbot.config.values import Config, Script
from regbot.events import Emit
from regbot.journal.records import ScriptRun
from regbot.run.bot import Bot, Options, assemble
from regbot.run.scheduler import Scheduler
from regbot.run.service_events import ScriptRunEnded, ScriptRunStarted
from regbot.run.service_record import ServiceRecord, service_record
from regbot.run.services import RunResult
from regbot.run.timetable import Turn, due_rules, rule_text
from regbot.stopping import Stop
from regbot.values import dataclass

if TYPE_CHECKING:
    from regbot.journal.journal import Journal
    from regbot.report.model import Report

_IDLE = frozenset(("unchanged", "skipped"))
"""What becomes of actions in a run that did nothing."""


@dataclass(frozen=True, slots=True)
class ScriptState:
    """Where a script of a server is.

    ``upcoming`` is its next run by its schedule, None for a script that is not enabled.
    ``is_waiting``: a run has to wait for its turn. ``last`` is the run that ended last, and
    ``last_success`` when one last ended well, in seconds since 1970.
    """

    script: Script
    upcoming: Turn | None
    running: tuple[ScriptRun, ...]
    is_waiting: bool
    last: ScriptRun | None
    last_success: float | None


class Service:
    """A server. All but ``serve`` is for any thread."""

    def __init__(self, bot: Bot, record: ServiceRecord, emit: Emit, *, with_reports: bool) -> None:
        self._bot = bot
        self._record = record
        self.emit = emit
        self._with_reports = with_reports
        self._scheduler = Scheduler(
            due_rules(bot.config),
            self._carry_out,
            parallel=bot.config.parallel,
            stop=bot.stop,
            emit=emit,
            before=record.last_due(bot.config),
        )

    @property
    def stop(self) -> Stop:
        """What ends the server, and all that it runs."""
        return self._bot.stop

    @property
    def is_dry_run(self) -> bool:
        """Whether its runs change nothing, and are not recorded."""
        return self._bot.is_dry_run

    @property
    def config(self) -> Config:
        """The config in force."""
        return self._bot.config

    @property
    def config_path(self) -> str:
        """The absolute path of the config, or ``-`` for standard input."""
        return self._bot.config_path

    @property
    def journal(self) -> Journal | None:
        """The journal; None in a dry run, and where it can't be written."""
        return self._record.journal

    def serve(self) -> None:
        """Run scripts when they are due, until stopped."""
        self._scheduler.serve()

    def states(self) -> tuple[ScriptState, ...]:
        """Where each script is, in the order of the config."""
        upcoming, waiting = self._scheduler.overview()
        return tuple(
            ScriptState(
                script,
                upcoming.get(script.name),
                self._record.running(script.name),
                script.name in waiting,
                self._record.last(script.name),
                self._record.last_success(script.name),
            )
            for script in self.config.scripts
        )

    def _carry_out(self, turn: Turn) -> None:
        """A run of a script, which is on record from its begin to its end."""
        script = turn.script
        run = self._record.begin(
            ScriptRun(
                "",
                script.name,
                "server",
                "",
                time.time(),
                rule_text(script),
                turn.due.timestamp(),
            )
        )
        self.emit(ScriptRunStarted(run))
        bot = self._bot.for_run(run)
        result = RunResult(script.name, "failed", "internal error")
        try:
            (result,) = bot.run_due(script, run.id).results
        finally:
            counts = Counter[str](outcome.status for outcome in bot.outcomes)
            run = replace(
                run,
                ended=time.time(),
                status=result.status,
                error=result.error,
                guarded=result.guarded,
                counts=counts,
            )
            self._record.end(run)
            self.emit(ScriptRunEnded(run, self._report(bot, result)))

    def _report(self, bot: Bot, result: RunResult) -> Report | None:
        """The report of a run that did something, where reports are wanted."""
        did_nothing = {outcome.status for outcome in bot.outcomes} <= _IDLE
        if not self._with_reports or did_nothing:
            return None
        return bot.report("server", [result])


@contextmanager
def open_service(
    config: Config,
    options: Options,
    config_path: str,
    emit: Emit,
    *,
    with_reports: bool = False,
) -> Iterator[Service]:
    """Open a server; its arguments are those of ``assemble``.

    ``with_reports``: each run that does something makes a report, which is emitted.
    Raises StateInUse if there is another server with the same folder of state.
    """
    options = replace(options, evidence=options.evidence or with_reports)
    with (
        assemble(config, options, config_path, emit) as bot,
        service_record(bot.journal_settings, emit) as record,
    ):
        yield Service(bot, record, emit, with_reports=with_reports)
