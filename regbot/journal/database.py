"""What the journal asks of a database: SQLite and PostgreSQL answer the same calls.

Statements are written once, in the SQL that both have, with ``?`` for values. Tables are
written as SQLite writes them; ``postgres`` knows the words that differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from regbot.errors import StorageError

Result = TypeVar("Result")
Steps = Sequence[Sequence[str]]
"""The versions of some tables: each has the statements that make it of the one before."""

ALL_ROWS = 2**63 - 1
"""The LIMIT of a query that has none: SQLite takes no OFFSET without one."""


class Database(Protocol):
    """A connection that threads share. Every failure is a StorageError."""

    now: str
    """The SQL expression for the time by the database's clock, in seconds since 1970."""

    def close(self) -> None:
        """Close the connection."""

    def writing(self) -> AbstractContextManager[None]:
        """A transaction: durable at the end of the block, rolled back on an error.

        Other writers wait until it ends. A block in another is a part of that.
        """

    def together(self, work: Callable[[], Result]) -> Result:
        """Do work in a transaction, and return its result when that is durable.

        It may share the transaction with the work of other threads: an error is raised to
        all of them, and nothing of theirs is written.
        """

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement and return how many rows it changed."""

    def insert(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Insert one row and return its ``id``."""

    def number_on(self, table: str) -> None:
        """Let the ids of new rows be above those that rows were given."""

    def run_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once for each row of values."""

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query."""

    @property
    def is_writable(self) -> bool:
        """Whether it can be written to now."""

    def damaged(self, why: object) -> StorageError:
        """The error for invalid content."""


def storable(text: str) -> str:
    """A text that a database accepts: unpaired surrogates and NULs are escaped."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
