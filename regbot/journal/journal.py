"""What every run did, and the manifests it took away, kept so that it can be undone.

One folder holds it: ``history.sqlite``, ``manifests/<algorithm>/<hex>``, and
``running/<id>`` while a run goes on. Many runs may write to it at once. An entry is on
the disk before its delete is sent: when that can't be done, StorageError is raised and
the delete must not happen.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import platformdirs

from regbot.events import Ending
from regbot.files import writing
from regbot.image.parts import blobs_of
from regbot.journal.history import History
from regbot.journal.manifest_files import ManifestFiles
from regbot.journal.records import (
    ActionRecord,
    EntryStatus,
    Forgotten,
    RunRecord,
    SavedManifest,
)
from regbot.journal.running import RunLocks
from regbot.journal.saving import Saved
from regbot.oci.digest import Digest
from regbot.oci.manifest import Manifest
from regbot.oci.reference import Reference
from regbot.plan.action import Action
from regbot.store.layout import absolute

PATIENCE = 5.0
"""Seconds to wait for another process that writes to the history."""
_TEMPORARY_FOR = 3600.0
"""Seconds that an unfinished file of a manifest may still be worked on."""
_AT_ONCE = 50
"""Manifests removed while other writers wait."""

WallClock = Callable[[], float]
"""Seconds since 1970."""


def default_state() -> Path:
    """The platform's folder for a program's state, such as ``~/.local/state/regbot``."""
    return platformdirs.user_state_path("regbot", appauthor=False)


class Journal:
    """The journal in ``folder``, which is made where it is missing; threads may share it.

    Raises StorageError where the folder or the history can't be used. ``patience``
    is in seconds.
    """

    def __init__(
        self, folder: Path, *, clock: WallClock = time.time, patience: float = PATIENCE
    ) -> None:
        with writing(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._clock = clock
        self._files = ManifestFiles(folder / "manifests")
        self._history = History(folder / "history.sqlite", patience=patience)
        self._running = RunLocks(folder / "running")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the history. A run that was begun here and not finished counts as cut off."""
        self._running.close()
        self._history.close()

    def begin_run(self, *, kind: str, config: str, fingerprint: str) -> RunJournal:
        """Begin a run. Its id is the time in UTC and a few digits that nobody else has."""
        started = self._clock()
        at = datetime.fromtimestamp(started, UTC).strftime("%Y%m%d-%H%M%S")
        with self._history.writing():
            while True:
                run = RunRecord(f"{at}-{secrets.token_hex(2)}", kind, config, fingerprint, started)
                if self._history.add_run(run):
                    break
            self._running.take(run.id)
        return RunJournal(run.id, self._history, self._files, self._running, self._clock)

    def runs(self, limit: int | None = None) -> list[RunRecord]:
        """The runs, the newest first."""
        return [self._seen(run) for run in self._history.runs(limit)]

    def run(self, id_or_prefix: str) -> RunRecord:
        """A run by its id, or the beginning of it.

        Raises NotFound, and InvalidValue where several runs begin so.
        """
        return self._seen(self._history.run(id_or_prefix))

    def _seen(self, run: RunRecord) -> RunRecord:
        """The record of a run as it is now: one whose process is gone was interrupted."""
        if run.status == "running" and not self._running.is_held(run.id):
            return replace(run, status="interrupted")
        return run

    def actions(self, run: str) -> list[ActionRecord]:
        """The actions of the run with this id, in the order they began."""
        return self._history.actions(run)

    def manifest(self, saved: SavedManifest) -> Manifest:
        """A kept manifest, checked. Raises StorageError when it is gone or damaged."""
        return self._files.read(saved.digest, saved.media_type)

    def needed(self, repository: Reference) -> frozenset[Digest]:
        """The manifests and blobs of a repository without which an undo would fail.

        Raises StorageError when a kept manifest can't be read.
        """
        found: set[Digest] = set()
        for saved in self._history.saved_for(absolute(repository)):
            found.add(saved.digest)
            found.update(blob.digest for blob in blobs_of(self.manifest(saved)))
        return frozenset(found)

    def forget(self, older_than: float) -> Forgotten:
        """Remove what was last heard of more than so many seconds ago.

        A run that goes on stays. Manifests that no other run needs go after the rows
        that led to them.
        """
        now = self._clock()
        runs = self._history.forget(now - older_than, keep=self._running.is_held)
        for run in runs:
            self._running.release(run)
        self._files.tidy(before=now - _TEMPORARY_FOR)
        left = self._history.unused(self._files.digests())
        removed = 0
        while left:
            some, left = left[:_AT_ONCE], left[_AT_ONCE:]
            with self._history.writing():
                unused = self._history.unused(some)
                for digest in unused:
                    self._files.remove(digest)
                removed += len(unused)
        return Forgotten(len(runs), removed)


class RunJournal:
    """Writes the entries of one run; threads may share it."""

    def __init__(
        self,
        run: str,
        history: History,
        files: ManifestFiles,
        running: RunLocks,
        clock: WallClock,
    ) -> None:
        self.id = run
        self._history = history
        self._files = files
        self._running = running
        self._clock = clock

    def about_to(self, script: str, action: Action, saved: Saved | None = None) -> int:
        """Note an action and what it takes away; the entry's id. To be called before it.

        When this returns the entry is on the disk. Raises StorageError, and nothing
        is noted: then the action must not happen.
        """
        manifests = saved.manifests if saved else ()
        self._files.add(manifests)
        entry = ActionRecord(
            id=0,
            run=self.id,
            at=self._clock(),
            script=script,
            verb=action.verb,
            reference=absolute(action.reference),
            digest=saved.digest if saved else action.digest,
            reason=action.reason,
            status="begun",
            detail="",
            tags=saved.tags if saved else (),
            manifests=tuple(SavedManifest(own.digest, own.media_type) for own in manifests),
            missing=saved.missing if saved else (),
        )
        with self._history.writing():
            # Another process may have cleaned up since.
            self._files.add(own for own in manifests if not self._files.has(own))
            return self._history.add_action(entry)

    def ended(
        self,
        entry: int,
        status: EntryStatus | Literal["unchanged"],
        detail: str = "",
        digest: Digest | None = None,
    ) -> None:
        """Say what became of an entry; ``digest`` is what it was about, where that is news.

        An entry that changed nothing is taken out again.
        """
        if status == "unchanged":
            self._history.remove_action(entry)
        else:
            self._history.end_action(entry, status, detail, digest)

    def finish(self, status: Ending) -> bool:
        """Say how the run ended; False where it changed nothing, and left no trace."""
        kept = self._history.end_run(self.id, status, self._clock())
        self._running.release(self.id)
        return kept
