"""An SQLite file with durable transactions and clear errors."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field
from itertools import chain
from pathlib import Path
from typing import Any, Generic, TypeVar

from regbot.errors import StorageError
from regbot.files import sync_folder, writing
from regbot.values import dataclass

_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


Result = TypeVar("Result")


@dataclass(slots=True)
class _Work(Generic[Result]):
    """Work that waits for a transaction, and how it ended."""

    do: Callable[[], Result]
    results: list[Result] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def ended(self) -> bool:
        return bool(self.results) or self.error is not None


class Database:
    """A connection that threads share. Every failure is a StorageError.

    ``steps`` are the versions of the tables: each has the statements that make it of the one
    before. An older file is brought up to date. ``patience`` is the time to wait for another
    process, in seconds.
    """

    def __init__(self, path: Path, steps: Sequence[Sequence[str]], *, patience: float) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._turn = threading.Lock()
        self._queue = threading.Lock()
        self._waiting: list[_Work[Any]] = []
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

        Other writers wait until it ends.
        """
        with self._lock:
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
        """Do work in a transaction, and return its result when that is durable.

        What threads want to write while one of them writes is written next, in one
        transaction: a disk takes as long for many entries as for one. An error is
        raised to all of them, and nothing of theirs is written.
        """
        entry = _Work(work)
        with self._queue:
            self._waiting.append(entry)
        with self._turn:
            if not entry.ended:
                self._write_waiting()
        if entry.error is not None:
            raise entry.error
        return entry.results[0]

    def _write_waiting(self) -> None:
        with self._queue:
            batch, self._waiting = self._waiting, []
        try:
            with self.writing():
                results = [each.do() for each in batch]
        except BaseException as error:  # noqa: BLE001 - raised to everybody who waits
            for each in batch:
                each.error = error
        else:
            for each, result in zip(batch, results, strict=True):
                each.results.append(result)

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement and return the id of the inserted row."""
        with self._lock, self._mapped():
            return self._connection.execute(statement, values).lastrowid or 0

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement and return how many rows it changed."""
        with self._lock, self._mapped():
            return self._connection.execute(statement, values).rowcount

    def run_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once for each row of values."""
        with self._lock, self._mapped():
            self._connection.executemany(statement, rows)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self._lock, self._mapped():
            return self._connection.execute(query, values).fetchall()

    def damaged(self, why: object) -> StorageError:
        """The error for invalid content."""
        return StorageError(
            f"the history {self._path} is damaged: {why} (move it away to start a new one)"
        )

    def _prepare(self, steps: Sequence[Sequence[str]]) -> None:
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


def storable(text: str) -> str:
    """A text that SQLite accepts: unpaired surrogates are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()
