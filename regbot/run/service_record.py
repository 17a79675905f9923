"""What a server leaves in the journal: each run of a script, and which one was the last."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from regbot.config.values import Config, Script
from regbot.errors import StateInUse, StorageError
from regbot.events import Emit, Message
from regbot.journal.journal import Journal, default_state
from regbot.journal.records import ScriptRun
from regbot.journal.serverlock import only_server
from regbot.journal.slot import JournalSettings
from regbot.plan.outcome import Outcomes
from regbot.run.services import RunResult
from regbot.run.timetable import Turn
from regbot.values import dataclass

_TIDIED_EVERY = 3600.0
"""Seconds after which what is too old is removed again."""


def rule_text(script: Script) -> str:
    """The rule by which a script is due, as it is compared with that of its last run."""
    if script.schedule:
        return f"{script.schedule} {script.timezone}".strip()
    return f"@every {script.interval}"


def last_due(journal: Journal, config: Config, path: str) -> dict[str, datetime]:
    """When the last run of each script was due, by the script's name.

    One that was due by another schedule does not count: a new schedule has missed nothing.
    """
    last = journal.last_due(path)
    return {
        script.name: datetime.fromtimestamp(last[script.name, rule_text(script)], UTC)
        for script in config.scripts
        if (script.name, rule_text(script)) in last
    }


@dataclass(slots=True)
class Noted:
    """A run on record, by its id, which is empty where it is not recorded.

    Who runs the script sets the ``result``.
    """

    id: str
    result: RunResult = RunResult("", "failed", "internal error")


class ServiceRecord:
    """The runs of a server's scripts on record; threads may share it.

    Without a journal, and where that can't be written, runs go on unrecorded.
    """

    def __init__(self, journal: Journal | None, settings: JournalSettings, emit: Emit) -> None:
        self._journal = journal
        self._settings = settings
        self._emit = emit
        self._tidied: float | None = None

    def last_due(self, config: Config) -> Mapping[str, datetime]:
        """When the last run of each script was due, by the script's name."""
        journal = self._journal
        return last_due(journal, config, self._settings.config) if journal else {}

    @contextmanager
    def of(self, turn: Turn, outcomes: Outcomes) -> Iterator[Noted]:
        """A run on record, with the ``outcomes`` that it has at the end."""
        run = self._begin(turn)
        noted = Noted(run.id if run else "")
        try:
            yield noted
        finally:
            if run:
                self._end(run, noted.result, outcomes)

    def _begin(self, turn: Turn) -> ScriptRun | None:
        """Note that a run begins; None where that can't be noted."""
        if not self._journal:
            return None
        run = ScriptRun(
            "",
            turn.script.name,
            "server",
            self._settings.config,
            time.time(),
            rule_text(turn.script),
            turn.due.timestamp(),
        )
        try:
            self._tidy(self._journal)
            return self._journal.begin_script(run)
        except StorageError as error:
            self._warn("the run is not recorded", error)
            return None

    def _end(self, run: ScriptRun, result: RunResult, outcomes: Outcomes) -> None:
        ended = replace(
            run,
            ended=time.time(),
            status=result.status,
            error=result.error,
            guarded=result.guarded,
            counts=Counter(outcome.status for outcome in outcomes.all),
        )
        try:
            if self._journal:
                self._journal.end_script(ended)
        except StorageError as error:
            self._warn("the end of the run is not recorded", error)

    def _tidy(self, journal: Journal) -> None:
        now = time.monotonic()
        if self._tidied is None or now - self._tidied > _TIDIED_EVERY:
            self._tidied = now
            journal.forget(self._settings.keep)

    def _warn(self, what: str, error: StorageError) -> None:
        self._emit(Message("warn", f"{what}: {error}"))


@contextmanager
def service_record(settings: JournalSettings, emit: Emit) -> Iterator[ServiceRecord]:
    """The record of the only server with its folder of state.

    Raises StateInUse if there is another server with it. Where the folder can't be
    written, a server goes on without a record.
    """
    folder = settings.folder or default_state()
    with ExitStack() as ending:
        journal = None
        if not settings.off:
            try:
                ending.enter_context(only_server(folder))
                journal = ending.enter_context(Journal(folder))
            except StateInUse:
                raise
            except StorageError as error:
                text = "runs are not recorded, and a second server is not noticed"
                emit(Message("warn", f"{text}: {error}"))
        yield ServiceRecord(journal, settings, emit)
