"""A server: runs scripts when they are due, and knows where each of them is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from regbot.config.values import Config, Script
from regbot.errors import Conflict, NotFound, Stopped, UsageError, text_of
from regbot.events import Emit, Message
from regbot.journal.place import DatabaseUrl
from regbot.journal.records import PlanRecord, ScriptRun
from regbot.plan.planfile import plan_of
from regbot.run.approval import Approvals
from regbot.run.bot import Bot, Options, assemble
from regbot.run.currentbot import CurrentBot
from regbot.run.reloading import ConfigSource, Reloading
from regbot.run.scheduler import Scheduler
from regbot.run.service_events import ConfigReloaded
from regbot.run.service_record import ServiceRecord, service_record
from regbot.run.services import open_shared
from regbot.run.timetable import Turn, Work, due_rules
from regbot.run.turnwork import TurnWork
from regbot.stopping import Stop
from regbot.values import dataclass

if TYPE_CHECKING:
    from regbot.journal.journal import Journal
    from regbot.run.cluster.servers import Servers

_ANY_NUMBER = 1_000_000
_WATCHED_EVERY = 1.0
"""Seconds after which the files of the config are looked at again."""
_LOOKED_EVERY = 2.0
"""Seconds after which the journal is looked at again for plans that were approved."""


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

    def __init__(
        self,
        bots: CurrentBot,
        record: ServiceRecord,
        source: ConfigSource,
        emit: Emit,
        *,
        with_reports: bool,
    ) -> None:
        self.emit = emit
        self.stop = bots.bot.stop
        self._bots = bots
        self._record = record
        self._reloading = Reloading(source, emit)
        self._approvals = Approvals(record.journal, self.config_path, emit, time.time)
        self._taken_over: list[threading.Thread] = []
        self._work = TurnWork(record, self._approvals, emit, with_reports=with_reports)
        self._scheduler = Scheduler(
            due_rules(self.config),
            self._carry_out,
            parallel=self._at_once(self.config),
            stop=self.stop,
            emit=emit,
            before=record.last_due(self.config),
        )

    @property
    def is_dry_run(self) -> bool:
        """Whether its runs change nothing, and are not recorded."""
        return self._bots.bot.is_dry_run

    @property
    def config(self) -> Config:
        """The config in force."""
        return self._bots.bot.config

    @property
    def config_path(self) -> str:
        """The absolute path of the config, or ``-`` for standard input."""
        return self._bots.bot.config_path

    @property
    def reload_problem(self) -> str:
        """The mistakes of the last config that was read, one a line, if it was refused."""
        return self._reloading.problem

    @property
    def journal(self) -> Journal | None:
        """The journal; None in a dry run, and where it can't be written."""
        return self._record.journal

    def serve(self) -> None:
        """Run scripts when they are due, until stopped."""
        duties = [self._attend, *([self._follow] if self._reloading.watches else [])]
        threads = [threading.Thread(target=duty, name="service") for duty in duties]
        for thread in threads:
            thread.start()
        try:
            self._scheduler.serve()
        finally:
            self.stop.ask()
            for thread in (*threads, *self._taken_over):
                thread.join()

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

    def run_now(self, script: str) -> None:
        """Run a script as soon as its turn comes; of one that needs approval, make a plan.

        If somebody asked for that already, and it waits, once is enough. Raises NotFound
        for a script that isn't there, Conflict for one that is not enabled, and Stopped once
        the server ends.
        """
        self._ask("run", script)

    def plan_now(self, script: str) -> None:
        """Make a plan of a script as soon as its turn comes, for somebody to look at.

        If the script needs approval, the plan waits for it. Raises as ``run_now`` does, and
        Conflict where no plan can be kept.
        """
        _ = self._approvals.journal
        self._ask("plan", script)

    def approve(self, plan_id: str) -> PlanRecord:
        """Approve a plan that waits, and apply it as soon as its turn comes.

        Raises NotFound, InvalidValue if the id is the beginning of several, Conflict for a
        plan that doesn't wait, or is another config's, and Stopped once the server ends.
        """
        self.stop.check()
        plan = self._approvals.journal.approve_plan(self._approvals.find(plan_id, self.config).id)
        self._queue(plan)
        return plan

    def apply(self, plan_id: str) -> None:
        """Apply a plan as soon as its turn comes, which approves it if it waits.

        Raises as ``approve`` does; a Conflict is one that lapsed, was applied, or is about
        to be.
        """
        plan = self._approvals.find(plan_id, self.config)
        if plan.state == "waiting":
            self.approve(plan.id)
            return
        self._approvals.journal.require_open(plan)
        if not self._queue(plan):
            raise Conflict(f"the plan {plan.id} is about to be applied")

    def reload(self) -> bool:
        """Read the config again. Whether it is in force now.

        What runs goes on with the config that it began with. A config with mistakes is
        refused, with its problems in the log, and the one before stays in force.
        """
        return not self.stop.asked and self._reloading.attempt(self.config, self._take)

    def _take(self, config: Config) -> None:
        """Go on with a new config."""
        self._bots.replace(config)
        self._record.change(self._bots.bot.journal_settings)
        rules = due_rules(config)
        self.emit(Message("info", "config reloaded", {"scripts": len(rules)}))
        self._scheduler.change(rules, self._at_once(config))
        self.emit(ConfigReloaded(config))

    def _follow(self) -> None:
        """Read the config again whenever its files have changed."""
        with suppress(Stopped):
            while True:
                self.stop.wait(_WATCHED_EVERY)
                if self._reloading.has_changed():
                    self.reload()

    def _ask(self, work: Work, name: str) -> None:
        script = next((script for script in self.config.scripts if script.name == name), None)
        if not script:
            raise NotFound(f"there is no script {name!r} in the config")
        if not script.enabled:
            raise Conflict(f"the script {name!r} is not enabled in the config")
        now = self._scheduler.now()
        self._scheduler.ask(Turn(script, now, now, work, is_asked=True))

    def _carry_out(self, turn: Turn) -> None:
        """Do what a turn is for, by the config in force, which stays so until its end."""
        with self._bots.in_use() as bot:
            if turn.plan:
                self._work.carry_out(turn, bot)
            for script in bot.config.scripts:
                if script.name == turn.script.name and script.enabled and not turn.plan:
                    self._work.carry_out(replace(turn, script=script), bot)

    def _at_once(self, config: Config) -> int:
        """How many runs may be going. Where workers do them, each limits its own share."""
        return _ANY_NUMBER if self._record.servers else config.parallel

    def _attend(self) -> None:
        """See to what others did: plans that were approved, and runs that servers left.

        Plans lapse in time.
        """
        trouble = ""
        with suppress(Stopped):
            while True:
                try:
                    self._apply_approved()
                    if self._record.servers:
                        self._record.look()
                        self._take_over(self._record.servers)
                    trouble = ""
                except Stopped:
                    raise
                except Exception as error:  # noqa: BLE001 - whatever it is, the server goes on
                    text = f"can't look for approved plans and other servers: {text_of(error)}"
                    if text != trouble:
                        self.emit(Message("warn", text))
                    trouble = text
                self.stop.wait(_LOOKED_EVERY)

    def _apply_approved(self) -> None:
        """Apply the plans that were approved. Raises StorageError, and Stopped."""
        self._record.be_seen()
        for plan in self._approvals.look(self.config):
            try:
                self._queue(plan)
            except (NotFound, UsageError) as error:
                self._approvals.give_up(plan, str(error))

    def _take_over(self, servers: Servers) -> None:
        """Follow the runs of servers that are gone. Raises StorageError."""
        self._taken_over = [thread for thread in self._taken_over if thread.is_alive()]
        for run in servers.abandoned():
            if servers.take_over(run) and self._record.go_on(run):
                thread = threading.Thread(target=self._go_on, args=[run], name="script")
                self._taken_over.append(thread)
                thread.start()

    def _go_on(self, run: ScriptRun) -> None:
        self.emit(Message("info", "follows the run of a server that is gone", {"run": run.id}))
        try:
            with self._bots.in_use() as bot:
                self._work.go_on(run, bot.script(run.script), bot)
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, the server goes on
            text = f"run failed: {text_of(error)}"
            self.emit(Message("error", text, {"script": run.script}))

    def _queue(self, plan: PlanRecord) -> bool:
        """Apply a plan as soon as its turn comes; False if it waits for that already.

        Raises UsageError for one that can't be read, NotFound for one that is gone,
        StorageError, and Stopped.
        """
        if self._scheduler.has_plan(plan.id):
            return False
        content = self._approvals.journal.plan_content(plan)
        work_dir = self.config.defaults.work_dir
        actions = plan_of(content, plan.id, work_dir=work_dir).actions
        names = tuple(dict.fromkeys(action.script for action in actions))
        now, script = self._scheduler.now(), replace(self.config.defaults, name=", ".join(names))
        return self._scheduler.ask(
            Turn(script, now, now, "apply", is_asked=True, plan=plan.id, scripts=names)
        )


@contextmanager
def open_service(
    config: Config,
    options: Options,
    source: ConfigSource,
    emit: Emit,
    *,
    with_reports: bool = False,
    queue_only: bool = False,
) -> Iterator[Service]:
    """Open a server with a config that its source gave.

    ``with_reports``: each run that does something makes a report, which is emitted.
    ``queue_only``: where servers share a database, this one leaves the work to others.
    Raises StateInUse if there is another server with the same folder of state, and
    StorageError for a database that can't be used.
    """
    shared = options.shared or open_shared(config.state)
    options = replace(
        options,
        evidence=options.evidence or with_reports,
        stop=options.stop or Stop(timeout=options.timeout, grace=options.grace),
        shared=shared,
    )
    works = isinstance(config.state, DatabaseUrl) and not (options.dry_run or queue_only)

    @contextmanager
    def open_bot(config: Config) -> Iterator[Bot]:
        with assemble(config, options, source.path, emit) as bot, ExitStack() as ending:
            if works:
                from regbot.run.cluster.opening import working

                ending.enter_context(working(bot, max(1, config.parallel)))
            yield bot

    with (
        closing(shared) if shared else nullcontext(),
        closing(CurrentBot(open_bot, config)) as bots,
        service_record(bots.bot.journal_settings, shared, emit) as record,
    ):
        yield Service(bots, record, source, emit, with_reports=with_reports)
