"""The journal of one run, opened when something is about to be changed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from regbot.errors import Stopped, StorageError
from regbot.events import Emit, Ending
from regbot.journal.place import State
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.plan.look import Target
from regbot.plan.recorder import Beginning, End, Saved
from regbot.stopping import Attempt, Stop

if TYPE_CHECKING:
    from regbot.journal.journal import Journal
    from regbot.journal.runjournal import RunJournal
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """Where journals are kept, and for how long.

    ``state`` None is the system's folder for it; ``keep`` is in seconds, None where only the
    config knows. ``config`` and ``fingerprint`` are what the history tells of a run, and
    ``typed`` the command that was typed, if more is known than its name. ``off``: none is
    kept.
    """

    state: State | None
    keep: float | None
    config: str
    fingerprint: str
    off: bool = False
    typed: str = ""


class JournalSlot:
    """A Recorder that begins its run with the first entry; threads may share it.

    A run that changes nothing leaves no trace and makes no file. ``journal`` is one that
    is open, and stays open; without it the settings' is opened. It is cleared of what is too
    old, but not where nobody says for how long the run is kept: an undo still needs that.
    ``run_id`` is the id of the run, where it has one already. An ``attempt`` at a unit joins
    that run, and leaves its end to who ends the last unit. ``trouble`` is why an entry could
    not be written: what it was for was not done.
    """

    def __init__(
        self,
        settings: JournalSettings,
        kind: str,
        journal: Journal | None = None,
        *,
        run_id: str = "",
        attempt: Attempt | None = None,
    ) -> None:
        self._attempt = attempt
        self._settings = settings
        self._kind = kind
        self._new_id = run_id
        self._lock = threading.Lock()
        self._own_journal = journal is None
        self._journal = journal
        self._run: RunJournal | None = None
        self._has_ended = False
        self.trouble: StorageError | None = None

    def save(self, target: Target, *, stop: Stop, emit: Emit) -> Saved:
        """What a delete takes away, to be noted with it."""
        from regbot.journal.saving import save

        return save(target, stop=stop, emit=emit)

    def begin(self, actions: Sequence[Beginning]) -> list[int]:
        """Note actions, on the disk; the ids of their entries come back."""
        try:
            return self._begun().begin(actions)
        except StorageError as error:
            self.trouble = error
            raise

    def end(self, ends: Sequence[End]) -> None:
        """Say what became of entries. Raises StorageError."""
        self._begun().end_all(ends)

    def needed(self, repository: Reference) -> frozenset[Digest]:
        """What a clean-up of a layout folder has to spare, so that undo works."""
        with self._lock:
            return self._journal.needed(repository) if self._journal else frozenset()

    @property
    def run_id(self) -> str:
        """The id that ``regbot undo`` takes; empty when nothing was changed."""
        return self._run.id if self._run else ""

    def finish(self, status: Ending) -> None:
        """Say how the run ended, and close a journal of its own. Raises StorageError."""
        with self._lock:
            self._has_ended = True
            try:
                if self._run and not self._attempt and not self._run.finish(status):
                    self._run = None
            finally:
                if self._journal and self._own_journal:
                    self._journal.close()

    def _begun(self) -> RunJournal:
        from regbot.journal.opening import open_journal

        with self._lock:
            if self._run is None:
                if self._has_ended:
                    raise Stopped("the run has ended, and changes nothing more")
                settings = self._settings
                if self._journal is None:
                    self._journal = open_journal(settings.state)
                if self._attempt is None and settings.keep is not None:
                    self._journal.forget(settings.config, settings.keep)
                self._run = self._journal.begin_run(
                    kind=settings.typed or self._kind,
                    config=settings.config,
                    fingerprint=settings.fingerprint,
                    keep=settings.keep,
                    run_id=self._new_id,
                    attempt=self._attempt,
                )
            return self._run
