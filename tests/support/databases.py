"""Databases of state: in a file, or in a server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from regbot.journal.database import Database, Steps
from regbot.journal.place import DatabaseUrl
from regbot.journal.postgres import PostgresDatabase
from regbot.journal.sqlite import SqliteDatabase

Connect = Callable[[], Database]


def connecting(where: Path | str, steps: Steps, *, patience: float = 5.0) -> Connect:
    """What opens a database in a file, or at a URL, with these tables."""

    def connect() -> Database:
        if not isinstance(where, str):
            return SqliteDatabase(where, steps, patience=patience)
        with ExitStack() as ending:
            database = PostgresDatabase(DatabaseUrl.parse(where), patience=patience)
            ending.callback(database.close)
            database.prepare("things", steps)
            ending.pop_all()
        return database

    return connect
