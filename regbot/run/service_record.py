"""What a server leaves in the journal: each run of a script, and which one was the last."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from regbot.config.values import Config
from regbot.errors import StateInUse, StorageError
from regbot.events import Emit, Message
from regbot.journal.journal import Journal
from regbot.journal.naming import new_id
from regbot.journal.opening import default_state, open_journal
from regbot.journal.records import ScriptRun
from regbot.journal.serverlock import only_server
from regbot.journal.slot import JournalSettings
from regbot.run.timetable import rule_text

if TYPE_CHECKING:
    from regbot.journal.shared import SharedState
    from regbot.run.cluster.servers import Servers
    from regbot.stopping import Stop

_TRIED_EVERY = 1.0
"""Seconds from one try to record the end of a run to the next."""
_TIDIED_EVERY = 3600.0
"""Seconds after which what is too old is removed again."""


def last_due(journal: Journal, config: Config, path: str) -> dict[str, datetime]:
    """When the last run of each script was due, by the script's name.

    One that was due by another schedule does not count: a new schedule has missed nothing.
    """
    last = journal.script_runs.last_due(path)
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
        servers: Servers | None = None,
    ) -> None:
        """``servers`` are all those that share the journal, where several may."""
        self.journal = journal
        self.servers = servers
        self._settings = settings
        self._emit = emit
        self._tidied: float | None = None
        self._lock = threading.Lock()
        self._running: dict[str, ScriptRun] = {}
        self._last: dict[str, ScriptRun] = {}
        self._last_success: dict[str, float] = {}
        self.look()

    def look(self) -> None:
        """Learn which runs were the last, also those of other servers. Raises StorageError."""
        if self.journal:
            for run in self.journal.script_runs.last(self._settings.config):
                if run.status != "running":
                    self._note(run)

    def change(self, settings: JournalSettings) -> None:
        """Go on with these settings, of the same state."""
        self._settings = settings

    def be_seen(self) -> None:
        """Be known as a server to all that share the journal, again and again.

        Raises StorageError.
        """
        if self.journal and self.servers:
            self.journal.be_server(self._settings.config)

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

    def begin(self, run: ScriptRun) -> ScriptRun:
        """Note that a run begins, which gets its config and its id.

        Raises StorageError where others have to know of it, and it can't be recorded.
        """
        run = self._begun(replace(run, config=self._settings.config, keep=self._settings.keep))
        self.go_on(run)
        return run

    def go_on(self, run: ScriptRun) -> bool:
        """Note that this server has a run; False if it had it already."""
        with self._lock:
            return self._running.setdefault(run.id, run) is run

    def _begun(self, run: ScriptRun) -> ScriptRun:
        if self.journal:
            try:
                return self.journal.script_runs.begin(run)
            except StorageError as error:
                if self.servers:
                    raise
                self._warn("the run is not recorded", error)
        return replace(run, id=new_id(run.started))

    def leave(self, run: ScriptRun) -> None:
        """Note that a run goes on without this server."""
        with self._lock:
            self._running.pop(run.id, None)

    def end(self, run: ScriptRun, stop: Stop) -> bool:
        """Note how a run ended; False where another server has it, and does so.

        Where others have to know it, it is tried until it is recorded. Raises Stopped.
        """
        self.leave(run)
        while self.journal:
            try:
                if not self.journal.script_runs.end(run):
                    return False
                break
            except StorageError as error:
                self._warn("the end of the run is not recorded", error)
                if not self.servers:
                    break
            stop.wait(_TRIED_EVERY)
        self._note(run)
        return True

    def amend(self, run: ScriptRun) -> None:
        """Note what is known of a run since it ended."""
        self._note(run)
        if self.journal:
            try:
                self.journal.script_runs.amend(run)
            except StorageError as error:
                self._warn("the size of what the run deleted is not recorded", error)

    def _note(self, run: ScriptRun) -> None:
        self._last[run.script] = run
        is_in_place = run.kind != "plan" or run.due is not None
        if run.status == "done" and run.ended is not None and is_in_place:
            self._last_success[run.script] = run.ended

    def tidy(self) -> None:
        """Remove what is too old, now and then."""
        now = time.monotonic()
        keep = self._settings.keep
        is_due = self._tidied is None or now - self._tidied > _TIDIED_EVERY
        if self.journal and is_due and keep is not None:
            self._tidied = now
            try:
                self.journal.forget(self._settings.config, keep)
            except StorageError as error:
                self._warn("what is too old stays on record", error)

    def _warn(self, trouble: str, error: StorageError) -> None:
        self._emit(Message("warn", f"{trouble}: {error}"))


@contextmanager
def service_record(
    settings: JournalSettings, shared: SharedState | None, emit: Emit
) -> Iterator[ServiceRecord]:
    """The record of the only server with its folder, or of one of many with a ``shared`` state.

    Raises StateInUse if there is another server with a folder. Where that can't be written, a
    server goes on without a record. Raises StorageError for a database that can't be used.
    """
    state = settings.state or default_state()
    with ExitStack() as ending:
        journal, servers = None, None
        if shared and not settings.off:
            from regbot.run.cluster.opening import open_servers

            journal, servers = shared.journal, open_servers(shared, settings.config)
        elif not settings.off:
            try:
                ending.enter_context(only_server(state, settings.config))
                journal = ending.enter_context(open_journal(state))
            except StateInUse:
                raise
            except StorageError as error:
                text = "runs are not recorded, and a second server is not noticed"
                emit(Message("warn", f"{text}: {error}"))
        yield ServiceRecord(journal, settings, emit, servers)
