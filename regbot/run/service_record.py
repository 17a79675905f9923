"""What a server leaves in the journal: each run of a script, and which one was the last."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from regbot.config.values import Config, Script
from regbot.errors import StateInUse, StorageError
from regbot.events import Emit, Message
from regbot.journal.journal import Journal
from regbot.journal.naming import new_id
from regbot.journal.opening import default_state, open_journal
from regbot.journal.place import DatabaseUrl
from regbot.journal.records import ScriptRun
from regbot.journal.serverlock import only_server
from regbot.journal.slot import JournalSettings
from regbot.run.timetable import rule_text

if TYPE_CHECKING:
    from regbot.run.cluster.due import DueClaims

_PATIENCE = 10.0
"""Seconds to wait for other servers that are writing."""
_NEWEST = 5
"""Runs of a script among which those are that still run."""
_TIDIED_EVERY = 3600.0
"""Seconds after which what is too old is removed again."""


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


class ServiceRecord:
    """The runs of a server's scripts on record; threads may share it.

    Without a ``journal``, and where that can't be written, runs go on unrecorded, and what
    is known of them is what happened since the server was started.
    """

    def __init__(
        self,
        journal: Journal | None,
        settings: JournalSettings,
        emit: Emit,
        claims: DueClaims | None = None,
    ) -> None:
        """``claims`` are those of all servers, where several share the journal."""
        self.journal = journal
        self._claims = claims
        self._settings = settings
        self._emit = emit
        self._tidied: float | None = None
        self._lock = threading.Lock()
        self._running: dict[str, ScriptRun] = {}
        self._last: dict[str, ScriptRun] = {}
        self._last_success: dict[str, float] = {}
        if journal:
            for run in journal.last_script_runs(settings.config):
                self._note(run)

    def change(self, settings: JournalSettings) -> None:
        """Go on with these settings, of the same state."""
        self._settings = settings

    def last_due(self, config: Config) -> Mapping[str, datetime]:
        """When the last run of each script was due, by the script's name."""
        return last_due(self.journal, config, self._settings.config) if self.journal else {}

    def running(self, script: str) -> tuple[ScriptRun, ...]:
        """The runs of a script that are going."""
        with self._lock:
            return tuple(run for run in self._running.values() if run.script == script)

    def last(self, script: str) -> ScriptRun | None:
        """The run of a script that ended last."""
        return self._last.get(script)

    def last_success(self, script: str) -> float | None:
        """When a run of a script last ended well, in seconds since 1970."""
        return self._last_success.get(script)

    def claim(self, script: Script, due: datetime) -> bool:
        """Whether this server runs what is due, and no other that shares its journal.

        Raises StorageError.
        """
        if not self._claims:
            return True
        gap = 0.0 if script.schedule else script.interval or 0.0
        return self._claims.claim(self._settings.config, script.name, due.timestamp(), gap)

    def is_running_elsewhere(self, scripts: Collection[str]) -> bool:
        """Whether another server runs one of these scripts. Raises StorageError."""
        if not (self._claims and self.journal):
            return False
        with self._lock:
            going_here = set(self._running)
        return any(
            run.status == "running" and run.id not in going_here
            for script in scripts
            for run in self.journal.script_runs_of(self._settings.config, script, _NEWEST)
        )

    def begin(self, run: ScriptRun) -> ScriptRun:
        """Note that a run begins, which gets its config and its id."""
        run = self._begun(replace(run, config=self._settings.config))
        with self._lock:
            self._running[run.id] = run
        return run

    def _begun(self, run: ScriptRun) -> ScriptRun:
        if self.journal:
            try:
                self._tidy(self.journal)
                return self.journal.begin_script(run)
            except StorageError as error:
                self._warn("the run is not recorded", error)
        return replace(run, id=new_id(run.started))

    def end(self, run: ScriptRun) -> None:
        """Note how a run ended."""
        with self._lock:
            self._running.pop(run.id, None)
        self._note(run)
        try:
            if self.journal:
                self.journal.end_script(run)
        except StorageError as error:
            self._warn("the end of the run is not recorded", error)

    def _note(self, run: ScriptRun) -> None:
        self._last[run.script] = run
        is_in_place = run.kind != "plan" or run.due is not None
        if run.status == "done" and run.ended is not None and is_in_place:
            self._last_success[run.script] = run.ended

    def _tidy(self, journal: Journal) -> None:
        now = time.monotonic()
        if self._tidied is None or now - self._tidied > _TIDIED_EVERY:
            self._tidied = now
            journal.forget(self._settings.keep)

    def _warn(self, trouble: str, error: StorageError) -> None:
        self._emit(Message("warn", f"{trouble}: {error}"))


@contextmanager
def service_record(settings: JournalSettings, emit: Emit) -> Iterator[ServiceRecord]:
    """The record of the only server with its state; several may share a database.

    Raises StateInUse if there is another server with a folder. Where the state can't be
    written, a server goes on without a record.
    """
    state = settings.state or default_state()
    with ExitStack() as ending:
        journal = None
        if not settings.off:
            try:
                ending.enter_context(only_server(state, settings.config))
                journal = ending.enter_context(open_journal(state))
            except StateInUse:
                raise
            except StorageError as error:
                text = "runs are not recorded, and a second server is not noticed"
                emit(Message("warn", f"{text}: {error}"))
        claims = None
        if journal and isinstance(state, DatabaseUrl):
            claims = ending.enter_context(_claims_in(state))
        yield ServiceRecord(journal, settings, emit, claims)


@contextmanager
def _claims_in(url: DatabaseUrl) -> Iterator[DueClaims]:
    """What servers claim that share a database. Raises StorageError."""
    from regbot.journal.shared import connect
    from regbot.run.cluster.due import STEPS, DueClaims

    with closing(connect(url, {"due": STEPS}, _PATIENCE)) as database:
        yield DueClaims(database)
