"""The bot: connects all parts, from a config and options to scripts that run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import field, replace
from typing import TYPE_CHECKING

from regbot.config.values import Config, Script
from regbot.errors import ScriptTimeout, Stopped
from regbot.events import Emit, Ending, RunEnded, RunResult, RunStarted, in_run, without
from regbot.http.exchange import Exchange
from regbot.http.transport import Transport
from regbot.journal.naming import new_id
from regbot.journal.place import State
from regbot.journal.slot import JournalSettings
from regbot.lua.flavours import preferred_flavour
from regbot.lua.processes import Process, start
from regbot.plan.carrying import Planned, scripts_of
from regbot.plan.executor import Executor, Terms
from regbot.plan.outcome import ActionDone, Outcome, Outcomes
from regbot.plan.session import Session, open_session
from regbot.plan.turns import Turns
from regbot.run.job import run_script
from regbot.run.limits.opening import open_limits
from regbot.run.piece import carry_out_for, session_of
from regbot.run.recording import Recording, recording
from regbot.run.scheduler import run_all
from regbot.run.services import Answered, Services, ignore_answer, open_shared
from regbot.stopping import GRACE, Stop
from regbot.store.cache_folder import open_cache
from regbot.store.opener import OpenStores
from regbot.store.overlay_stores import OverlayStores
from regbot.store.protocol import ReadStores
from regbot.store.views import CachedStores, Reading
from regbot.values import dataclass

if TYPE_CHECKING:
    from regbot.journal.journal import Journal
    from regbot.journal.records import ScriptRun
    from regbot.journal.restore import Undone
    from regbot.journal.shared import SharedState
    from regbot.report.model import Kind, Report
    from regbot.rules.in_use.answers import Answer, Answers
    from regbot.rules.in_use.mention import Mention


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a command.

    ``user_agent`` replaces the config's. With ``evidence``, deletes are examined for a
    report or plan. With ``whole``, a script that fails plans nothing. ``start_process``
    gives a script its process, and ``answered`` is given what a command's calls gave.
    ``timeout`` is in seconds, for all together, and ``grace`` those to end in once somebody
    asked to stop. ``journal`` is a state other than the config's; False leaves no record.
    ``turns`` are taken together with other bots of the process, ``stop`` ends them together,
    and ``shared`` is what they have of a state in a database. ``typed`` is what the history
    tells of the command, which has no secret.
    """

    dry_run: bool = False
    user_agent: str = ""
    evidence: bool = False
    whole: bool = False
    start_process: Callable[[], Process] = start
    answered: Answered = ignore_answer
    timeout: float | None = None
    grace: float = GRACE
    journal: State | bool = True
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    turns: Turns = field(default_factory=Turns)
    stop: Stop | None = None
    shared: SharedState | None = None
    typed: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended, and the results of its scripts in order. Applying a plan has none."""

    run: RunEnded
    results: tuple[RunResult, ...] = ()

    @property
    def status(self) -> Ending:
        """How it ended."""
        return self.run.status


class Bot:
    """A config's scripts, ready to run. ``services`` are what its runs share."""

    def __init__(
        self, config: Config, services: Services, stop: Stop, journal: JournalSettings
    ) -> None:
        self.stop = stop
        self.config = config
        self.services = services
        self._journal = journal
        self._begun = time.time()

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcomes of all actions so far."""
        return self.services.outcomes.all

    @property
    def emit(self) -> Emit:
        """The listener that is told of what it does."""
        return self.services.emit

    @property
    def is_dry_run(self) -> bool:
        """Whether it changes nothing."""
        return self.services.dry_run

    @property
    def config_path(self) -> str:
        """The config's absolute path, ``-`` for standard input, or empty without one."""
        return self._journal.config

    @property
    def journal_settings(self) -> JournalSettings:
        """Where the journal is; off where nothing is recorded, as in a dry run."""
        return replace(self._journal, off=self._journal.off or self.services.dry_run)

    def run_once(self) -> Ended:
        """Run every enabled script once."""
        return self._recorded("once", self._run_all, self.config.enabled)

    def plan(self) -> Ended:
        """Run every enabled script once in a dry run, for a plan."""
        return self._recorded("plan", self._run_all, self.config.enabled)

    def _run_all(self, run: Recording) -> list[RunResult]:
        return run_all(
            self.config.enabled,
            lambda script: run_script(script, run.services, run.stop),
            parallel=self.config.parallel,
            stop=run.stop,
        )

    def run(self, script: Script) -> Ended:
        """Run one script that is not in the config."""
        return self._recorded(
            "run", lambda run: [run_script(script, run.services, run.stop)], [script]
        )

    def taking(self, turns: Turns) -> Bot:
        """The same bot, which takes its turns at repositories with others."""
        return Bot(self.config, replace(self.services, turns=turns), self.stop, self._journal)

    def telling(self, emit: Emit) -> Bot:
        """The same bot, which tells another listener what it does."""
        return Bot(self.config, replace(self.services, emit=emit), self.stop, self._journal)

    def for_run(self, run: ScriptRun) -> Bot:
        """A bot for one run of a server: the same, with outcomes and events of its own.

        One that makes a plan makes a dry run.
        """
        emit = in_run(self.services.emit, run.id, run.script)
        services = replace(self.services, outcomes=Outcomes(), emit=emit)
        if run.kind == "plan":
            services = replace(services, dry_run=True, evidence=True, whole=True)
        overlay = _own_overlay(services.bind, self.stop, emit) if services.dry_run else None
        services = replace(services, overlay=overlay)
        return Bot(self.config, services, self.stop, self._journal)

    def run_due(self, script: Script, run_id: str) -> Ended:
        """Run a script of a server, as the run with this id."""
        return self._recorded(
            "server", lambda run: [run_script(script, run.services, run.stop)], [script], run_id
        )

    def apply(self, plan: Sequence[Planned], run_id: str = "") -> Ended:
        """Carry out a plan, as the run with this id. The outcomes are in ``outcomes``."""

        def work(run: Recording) -> list[RunResult]:
            with (
                suppress(Stopped, ScriptTimeout),
                session_of(self.config.defaults, run.services, run.stop) as session,
            ):
                self.carry_out(plan, session.executor, run.services)
            return []

        return self._recorded("apply", work, run_id=run_id, script=", ".join(scripts_of(plan)))

    def by_lease(self, journal: Journal) -> Journal:
        """A journal that is written to by the lease of this process, if others share it."""
        shared = self.services.shared
        if shared is None or self.services.dry_run or journal.state != self.config.state:
            return journal
        return shared.journal

    def carry_out(self, plan: Sequence[Planned], door: Executor, services: Services) -> None:
        """Carry out a plan through a door, each script's actions by its guard.

        Raises as ``plan.carrying.carry_out`` does.
        """
        carry_out_for(plan, door, self.script, services, self.stop)

    def script(self, name: str) -> Script:
        """The script of the config with this name; the defaults where there is none."""
        scripts = {script.name: script for script in self.config.scripts}
        return scripts.get(name, self.config.defaults)

    @property
    def state(self) -> State:
        """Where the journal is, or would be."""
        from regbot.journal.opening import default_state

        return self._journal.state or default_state()

    def undo(self, journal: Journal, run: str, tags: Sequence[str]) -> list[Undone]:
        """Put back what a run deleted. Raises the errors of ``journal.undo.undo``."""
        from regbot.journal.undo import undo

        undo_id = new_id(time.time())
        services, stop = self.services.leased(self.stop)
        services = replace(services, emit=in_run(services.emit, undo_id))
        services.require_state()

        def open_door(terms: Terms) -> AbstractContextManager[Session]:
            return open_session(
                "undo",
                services.exchange,
                stop=stop,
                emit=without(services.emit, ActionDone),
                outcomes=Outcomes(),
                terms=terms,
                turns=services.turns,
            )

        return undo(
            self.by_lease(journal),
            run,
            open_door,
            tags=tags,
            dry_run=services.dry_run,
            stop=stop,
            emit=services.emit,
            undo_id=undo_id,
        )

    def report(
        self, kind: Kind, results: Sequence[RunResult], stores: ReadStores | None = None
    ) -> Report:
        """The report of what was done so far; ``stores`` are read in place of its own."""
        from regbot.report.build import build_report

        return build_report(
            self.outcomes,
            results,
            kind=kind,
            dry_run=self.services.dry_run,
            started=self._begun,
            finished=time.time(),
            stores=stores or self.stores(),
            stop=self.stop,
        )

    def stores(self, stop: Stop | None = None) -> ReadStores:
        """The real stores, or in a dry run the stores with the planned changes.

        ``stop`` ends reads from them, by default the bot's own.
        """
        stop = stop or self.stop
        opened = OpenStores(
            self.services.exchange(stop),
            stop=stop,
            mirrors=False,
            work_dir=self.config.defaults.work_dir,
        )
        real = CachedStores(opened, self.services.reading.cache, emit=self.services.emit)
        overlay = self.services.overlay
        return OverlayStores(real, after=overlay) if overlay else real

    def _recorded(
        self,
        kind: str,
        work: Callable[[Recording], Sequence[RunResult]],
        scripts: Sequence[Script] = (),
        run_id: str = "",
        script: str = "",
    ) -> Ended:
        """Carry out one run on record."""
        with self.recording(kind, scripts, run_id, script) as run:
            run.results = tuple(work(run))
        return Ended(run.ended, run.results)

    def recording(
        self,
        kind: str,
        scripts: Sequence[Script] = (),
        run_id: str = "",
        script: str = "",
        *,
        by_workers: bool = False,
    ) -> AbstractContextManager[Recording]:
        """Begin one run of some scripts with a journal of its own, and emit how it ended.

        ``run_id`` is the run's id, where it has one already. ``script`` is told with its
        events, by default the name of its only script. ``by_workers``: what is changed, others
        change by their leases.
        """
        return recording(
            RunStarted(kind, self.services.dry_run, len(scripts)),
            self.services,
            self._journal,
            self.answers,
            self.stop,
            run_id=run_id,
            script=script or (scripts[0].name if len(scripts) == 1 else ""),
            by_workers=by_workers,
        )

    def images_in_use(self) -> tuple[list[Answer], list[Mention]]:
        """What every source of the config says now, and what was seen before.

        Raises UseUnknown where the latter can't be read or noted.
        """
        answers = self._answers(self.services.emit)
        try:
            return answers.told(self.config.in_use, self.stop)
        finally:
            answers.close()

    def answers(self, emit: Emit) -> Answers | None:
        """The sources of one run, none of them read yet; None where the config has none."""
        return self._answers(emit) if self.config.in_use.sources else None

    def _answers(self, emit: Emit) -> Answers:
        from regbot.journal.opening import open_sightings
        from regbot.rules.in_use.answers import Answers

        sightings = open_sightings(self.config.state)
        record = not self.services.dry_run
        return Answers(self.services.environment, sightings, emit, self.stop, record=record)


@contextmanager
def assemble(config: Config, options: Options, config_path: str, emit: Emit) -> Iterator[Bot]:
    """Create a bot, and close its connections at the end.

    ``config_path`` is recorded in the history: the absolute path of the config, ``-`` for
    standard input, or empty without one.
    """
    client = config.client
    if options.user_agent:
        client = replace(client, user_agent=options.user_agent)
    shared = options.shared or open_shared(config.state)
    limits = open_limits(config.state)
    transport = Transport(client, emit=emit, limits=limits)
    stop = options.stop or Stop(timeout=options.timeout, grace=options.grace)
    cache = open_cache(config.cache.folder, config.cache.size, emit)
    services = Services(
        bind=transport.bind,
        emit=emit,
        outcomes=Outcomes(),
        environment=options.environment,
        flavour=preferred_flavour(),
        blob_limit=client.blob_limit,
        parallel=config.parallel,
        dry_run=options.dry_run,
        evidence=options.evidence,
        whole=options.whole,
        turns=options.turns,
        shared=shared,
        start_process=options.start_process,
        answered=options.answered,
        overlay=_own_overlay(transport.bind, stop, emit) if options.dry_run else None,
        reading=Reading(config.readahead, cache),
    )
    own_state = None if isinstance(options.journal, bool) else options.journal
    journal = JournalSettings(
        own_state or config.state,
        config.journal_keep,
        config_path,
        config.fingerprint,
        off=not options.journal,
        typed=options.typed,
    )
    try:
        yield Bot(config, services, stop, journal)
    finally:
        transport.close()
        if shared and not options.shared:
            shared.close()
        if limits:
            limits.close()
        if cache:
            cache.close()


def _own_overlay(bind: Callable[[Stop, Emit], Exchange], stop: Stop, emit: Emit) -> OverlayStores:
    return OverlayStores(OpenStores(bind(stop, emit), stop=stop, emit=emit))
