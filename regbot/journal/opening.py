"""Opens the journal of a state: in a folder, or in a database."""

from __future__ import annotations

import time
from pathlib import Path

from regbot.errors import StorageError
from regbot.files import writing
from regbot.journal.history import STEPS
from regbot.journal.journal import Journal, WallClock
from regbot.journal.manifest_files import ManifestFiles
from regbot.journal.place import DatabaseUrl, State
from regbot.journal.running import RunLocks
from regbot.journal.sqlite import SqliteDatabase

PATIENCE = 5.0
"""Seconds to wait for another process that is writing."""


def default_state() -> Path:
    """The system's folder for a program's state, such as ``~/.local/state/regbot``."""
    import platformdirs

    return platformdirs.user_state_path("regbot", appauthor=False)


def open_journal(
    state: State | None, *, clock: WallClock = time.time, patience: float = PATIENCE
) -> Journal:
    """The journal of a state, by default the system's folder. A folder is made if necessary.

    A folder has ``history.sqlite``, ``manifests/<algorithm>/<hex>``, and ``running/<name>`` for
    what is in progress. ``patience`` is in seconds. Raises StorageError if it can't be used.
    """
    folder = state or default_state()
    if isinstance(folder, DatabaseUrl):
        raise StorageError("a journal can't be in a database yet")
    with writing(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Journal(
        folder,
        SqliteDatabase(folder / "history.sqlite", STEPS, patience=patience),
        ManifestFiles(folder / "manifests"),
        RunLocks(folder / "running"),
        clock,
    )
