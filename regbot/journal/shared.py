"""Opens a state in a database, which many machines share. Where it is a folder, nobody imports it.

The database has the tables of the history, some for what is in files of a folder, and those
of runs that workers share.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING

from regbot.errors import UsageError
from regbot.journal.courses import COURSES, Courses
from regbot.journal.database import Database, Steps
from regbot.journal.history import STEPS
from regbot.journal.journal import Journal
from regbot.journal.leases import EVERY, LEASES, SECONDS, Leases
from regbot.journal.manifest_table import MANIFESTS, ManifestTable
from regbot.journal.place import DatabaseUrl
from regbot.journal.runjournal import WallClock
from regbot.journal.sightings_table import SIGHTINGS
from regbot.journal.turn_table import TURNS
from regbot.journal.turns import SharedTurns
from regbot.plan.turns import Turns

if TYPE_CHECKING:
    from regbot.journal.postgres import PostgresDatabase

_INSTALL = "pip install '.[cluster]'"
_PACKAGES = ("psycopg", "procrastinate")
PATIENCE = 30.0
"""Seconds to wait for others that are writing: many machines write all the time."""
SHARED: Steps = ((*MANIFESTS, *SIGHTINGS, *LEASES, *TURNS),)
"""The tables for what is in files of a folder, in versions like those of STEPS."""


def require_packages() -> None:
    """Raise UsageError where packages of the extra are missing. None is imported."""
    if not all(map(find_spec, _PACKAGES)):
        raise _missing_packages()


def _missing_packages() -> UsageError:
    text = "a state in PostgreSQL needs packages that are not installed"
    return UsageError(f"{text} ({_INSTALL})")


class _Opened:
    """What a process has open of a state, for all its threads."""

    def __init__(self, url: DatabaseUrl, seconds: float) -> None:
        self.database = open_database(url, PATIENCE)
        self.leases = open_leases(url, self.database, PATIENCE, seconds)
        self.turns = SharedTurns(self.database, self.leases.lease)
        self.journal = _journal(url, self.database, self.leases, time.time)

    def close(self) -> None:
        self.turns.close()
        self.journal.close()


class SharedState:
    """A state in a database, as one process works with it: by one lease, whatever it does.

    Nothing is opened before it is asked for, and then it stays open until ``close``. Threads
    may share it. A lease goes on for so many ``seconds`` after it was renewed.
    """

    def __init__(self, url: DatabaseUrl, *, seconds: float = SECONDS) -> None:
        self.url = url
        self._seconds = seconds
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    @property
    def database(self) -> PostgresDatabase:
        """The connection of all that is here. Raises StorageError."""
        return self._parts().database

    @property
    def leases(self) -> Leases:
        """The lease of this process. Raises StorageError."""
        return self._parts().leases

    @property
    def journal(self) -> Journal:
        """The journal, which nobody else closes. Raises StorageError."""
        return self._parts().journal

    @property
    def turns(self) -> Turns:
        """The turns that this process takes with others. Raises StorageError."""
        return self._parts().turns

    def close(self) -> None:
        """Give everything back that this process has."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened:
            opened.close()

    def _parts(self) -> _Opened:
        with self._lock:
            if self._opened is None:
                self._opened = _Opened(self.url, self._seconds)
            return self._opened


def open_shared_journal(url: DatabaseUrl, clock: WallClock, patience: float) -> Journal:
    """The journal in a database, to look into. Raises StorageError."""
    database = open_database(url, patience)
    return _journal(url, database, open_leases(url, database, patience), clock)


def _journal(url: DatabaseUrl, database: Database, leases: Leases, clock: WallClock) -> Journal:
    return Journal(url, database, ManifestTable(database), leases, clock, Courses(database))


def open_leases(
    url: DatabaseUrl, database: Database, patience: float, seconds: float = SECONDS
) -> Leases:
    """The leases in a database, for so many seconds, renewed on a connection of their own."""
    renewing = seconds * EVERY / SECONDS
    return Leases(database, lambda: open_database(url, patience), seconds=seconds, every=renewing)


def open_database(url: DatabaseUrl, patience: float) -> PostgresDatabase:
    """A connection to a database, whose tables are made if necessary. Raises as ``connect``."""
    parts = {"history": STEPS, "shared": SHARED, "cluster": COURSES}
    return connect(url, parts, patience)


def connect(url: DatabaseUrl, parts: Mapping[str, Steps], patience: float) -> PostgresDatabase:
    """A connection to a database, in which the tables of some parts are brought up to date.

    Raises StorageError, and UsageError where packages are missing.
    """
    try:
        from regbot.journal.postgres import PostgresDatabase
    except ImportError:  # one that is missing, or a library of the system that it needs
        raise _missing_packages() from None
    with ExitStack() as ending:
        database = PostgresDatabase(url, patience=patience)
        ending.callback(database.close)
        for part, steps in parts.items():
            database.prepare(part, steps)
        ending.pop_all()
    return database
