"""Opens the journal of a state: in a folder, or in a database."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from regbot.files import writing
from regbot.journal.history import STEPS
from regbot.journal.journal import Journal
from regbot.journal.manifest_files import ManifestFiles
from regbot.journal.place import DatabaseUrl, State
from regbot.journal.runjournal import WallClock
from regbot.journal.running import RunLocks
from regbot.journal.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from regbot.rules.in_use.sightings import Sightings

PATIENCE = 5.0
"""Seconds to wait for another process that is writing."""


def default_state() -> Path:
    """The system's folder for a program's state, such as ``~/.local/state/regbot``."""
    import platformdirs

    return platformdirs.user_state_path("regbot", appauthor=False)


def has_state(state: State | None) -> bool:
    """Whether there is something at a state; of a database that is always so."""
    folder = state or default_state()
    return isinstance(folder, DatabaseUrl) or folder.exists()


def open_journal(
    state: State | None, *, clock: WallClock = time.time, patience: float = PATIENCE
) -> Journal:
    """The journal of a state, by default the system's folder. A folder is made if necessary.

    A folder has ``history.sqlite``, ``manifests/<algorithm>/<hex>``, and ``running/<name>`` for
    what is in progress. ``patience`` is in seconds. Raises StorageError if it can't be used.
    """
    place = state or default_state()
    if isinstance(place, DatabaseUrl):
        from regbot.journal.shared import open_shared_journal

        return open_shared_journal(place, clock, patience)
    with writing(place):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Journal(
        place,
        SqliteDatabase(place / "history.sqlite", STEPS, patience=patience),
        ManifestFiles(place / "manifests"),
        RunLocks(place / "running"),
        clock,
    )


def open_sightings(state: State | None, *, clock: WallClock = time.time) -> Sightings:
    """When images were seen in use, by a state. Nothing is opened or made before it is asked."""
    place = state or default_state()
    if isinstance(place, DatabaseUrl):
        from regbot.journal.shared import open_database
        from regbot.journal.sightings_table import SightingsTable

        return SightingsTable(lambda: closing(open_database(place, PATIENCE)))
    from regbot.rules.in_use.sightings import SightingsFile

    return SightingsFile(place, clock)
