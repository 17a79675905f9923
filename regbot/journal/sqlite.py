"""An SQLite file with durable transactions and clear errors."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from regbot.errors import StorageError
from regbot.files import obstacle, sync_folder, writing
from regbot.journal.batching import Batches, Result
from regbot.journal.database import Steps

_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class SqliteDatabase:
    """A Database in a file.

    ``steps`` are the versions of its tables. An older file is brought up
    to date. ``patience`` is the time to wait for another process, in seconds.
    """

    now = "((julianday('now') - 2440587.5) * 86400.0)"

    def __init__(self, path: Path, steps: Steps, *, patience: float) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._batches = Batches(self.writing)
        with self._mapped():
            self._connection = sqlite3.connect(
                path, timeout=patience, isolation_level=None, check_same_thread=False
            )
        try:
            self._prepare(steps)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file."""
        with self._lock, self._mapped():
            self._connection.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction: durable at the end of the block, rolled back on an error.

        Other writers wait until it ends. A block in another is a part of that.
        """
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self.run("BEGIN IMMEDIATE")
            try:
                yield
                self.run("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    with suppress(sqlite3.Error):
                        self._connection.execute("ROLLBACK")
                raise

    def together(self, work: Callable[[], Result]) -> Result:
        """Do work in a transaction, which it may share with the work of other threads."""
        return self._batches.do(work)

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement and return how many rows it changed."""
        with self._lock, self._mapped():
            return self._connection.execute(statement, values).rowcount

    def insert(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Insert one row and return its ``id``."""
        with self._lock, self._mapped():
            return self._connection.execute(statement, values).lastrowid or 0

    def number_on(self, table: str) -> None:
        """Do nothing: SQLite looks at the ids that were given."""

    def run_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once for each row of values."""
        with self._lock, self._mapped():
            self._connection.executemany(statement, rows)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self._lock, self._mapped():
            return self._connection.execute(query, values).fetchall()

    @property
    def is_writable(self) -> bool:
        """Whether a file can be written in its folder now."""
        return not obstacle(self._path)

    def damaged(self, why: object) -> StorageError:
        """The error for invalid content."""
        return StorageError(
            f"the history {self._path} is damaged: {why} (move it away to start a new one)"
        )

    def _prepare(self, steps: Steps) -> None:
        version = len(steps)
        is_new = not self._version()
        if self._version() < version:
            with self.writing():
                for statement in chain.from_iterable(steps[self._version() :]):
                    self.run(statement)
                if self._version() < version:
                    self.run(f"PRAGMA user_version = {version}")
        if is_new:
            with writing(self._path.parent):
                sync_folder(self._path.parent)
        if self._version() != version:
            text = f"the history {self._path} was made by a newer version of regbot"
            raise StorageError(f"{text} (use that one, or set state to another folder)")
        with suppress(sqlite3.OperationalError):  # faster, but not available on every file system
            self._connection.execute("PRAGMA journal_mode = WAL")
        self.run("PRAGMA synchronous = FULL")
        self.run("PRAGMA foreign_keys = ON")

    def _version(self) -> int:
        return int(self.rows("PRAGMA user_version")[0][0])

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _LOCKED:
                text = f"the history {self._path} is locked by another process"
                raise StorageError(f"{text} (wait until that has ended)") from error
            if code in _DAMAGED:
                raise self.damaged(error) from error
            raise StorageError(f"can't use the history {self._path}: {error}") from error
