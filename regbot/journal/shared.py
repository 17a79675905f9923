"""Opens a state in a database, which many machines share. Where it is a folder, nobody imports it.

The database has the tables of the history, some for what is in files of a folder, and those
of runs that workers share.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
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

if TYPE_CHECKING:
    from regbot.journal.postgres import PostgresDatabase

_INSTALL = "pip install '.[cluster]'"
SHARED: Steps = ((*MANIFESTS, *SIGHTINGS, *LEASES, *TURNS),)
"""The tables for what is in files of a folder, in versions like those of STEPS."""


def open_shared_journal(url: DatabaseUrl, clock: WallClock, patience: float) -> Journal:
    """The journal in a database. Raises StorageError."""
    database = open_database(url, patience)
    leases = open_leases(url, database, patience)
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
    except ImportError:
        text = "a state in PostgreSQL needs packages that are not installed"
        raise UsageError(f"{text} ({_INSTALL})") from None
    with ExitStack() as ending:
        database = PostgresDatabase(url, patience=patience)
        ending.callback(database.close)
        for part, steps in parts.items():
            database.prepare(part, steps)
        ending.pop_all()
    return database
