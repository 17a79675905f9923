"""The journal of one run, opened when something is about to be changed."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from regbot.events import Ending
from regbot.journal.journal import Journal, RunJournal, default_state
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """Where journals are kept, and for how long.

    ``folder`` None is the platform's folder for state; ``keep`` is in seconds.
    ``config`` and ``fingerprint`` are what the history tells of a run.
    """

    folder: Path | None
    keep: float
    config: str
    fingerprint: str


class JournalSlot:
    """Begins a run in the journal at the first call; threads may share it.

    A run that changes nothing leaves no trace and makes no file.
    """

    def __init__(self, settings: JournalSettings, kind: str) -> None:
        self._settings = settings
        self._kind = kind
        self._lock = threading.Lock()
        self._journal: Journal | None = None
        self._run: RunJournal | None = None

    def __call__(self) -> RunJournal:
        """The run's journal. Raises StorageError when it can't be had."""
        with self._lock:
            if self._run is None:
                settings = self._settings
                self._journal = self._journal or Journal(settings.folder or default_state())
                self._journal.forget(settings.keep)
                self._run = self._journal.begin_run(
                    kind=self._kind, config=settings.config, fingerprint=settings.fingerprint
                )
            return self._run

    def needed(self, repository: Reference) -> frozenset[Digest]:
        """What a clean-up of a layout folder has to spare, so that undo works."""
        with self._lock:
            return self._journal.needed(repository) if self._journal else frozenset()

    @property
    def run_id(self) -> str:
        """The id that ``regbot undo`` takes; empty when nothing was changed."""
        return self._run.id if self._run else ""

    def finish(self, status: Ending) -> None:
        """Say how the run ended, and close the journal. Raises StorageError."""
        with self._lock:
            try:
                if self._run and not self._run.finish(status):
                    self._run = None
            finally:
                if self._journal:
                    self._journal.close()
