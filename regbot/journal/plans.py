"""Plans that are kept in the journal until they are applied or too old."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from regbot.errors import NotFound
from regbot.journal.database import Database, storable
from regbot.journal.naming import named
from regbot.journal.records import PlanRecord

_TABLE = """CREATE TABLE IF NOT EXISTS plan (
    id TEXT PRIMARY KEY, made REAL NOT NULL, config TEXT NOT NULL, summary TEXT NOT NULL,
    content BLOB NOT NULL)"""


class Plans:
    """The plans in a database; the table is made for the first of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, new_id: Callable[[], str], made: float, config: str, summary: str, content: bytes
    ) -> PlanRecord:
        """Keep a plan under a new id. Raises StorageError."""
        with self._database.writing():
            self._database.run(_TABLE)
            taken = {record.id for record in self.all()}
            plan = next(name for name in iter(new_id, None) if name not in taken)
            self._database.run(
                "INSERT INTO plan (id, made, config, summary, content) VALUES (?, ?, ?, ?, ?)",
                (plan, made, storable(config), storable(summary), zlib.compress(content)),
            )
        return PlanRecord(plan, made, config, summary)

    def all(self) -> list[PlanRecord]:
        """The plans, newest first. Raises StorageError if one is damaged."""
        if not self._has_table():
            return []
        rows = self._database.rows(
            "SELECT id, made, config, summary FROM plan ORDER BY made DESC, id DESC"
        )
        return [self._record(*row) for row in rows]

    def _record(self, plan: object, made: object, config: object, summary: object) -> PlanRecord:
        """A row of the table; SQLite lets any column hold any type."""
        match plan, made, config, summary:
            case str(), float(), str(), str():
                return PlanRecord(plan, made, config, summary)
        raise self._database.damaged(f"plan {plan!r}")

    def find(self, prefix: str) -> PlanRecord:
        """The plan with this id, or the only one whose id begins with this text.

        Raises NotFound, and InvalidValue if there are several.
        """
        plans = {record.id: record for record in self.all()}
        return plans[named(prefix, list(plans), "plan", "regbot show")]

    def content(self, plan: str) -> bytes:
        """The plan itself. Raises StorageError if it is damaged, NotFound if it is gone."""
        for (content,) in self._database.rows("SELECT content FROM plan WHERE id = ?", (plan,)):
            try:
                return zlib.decompress(content)
            except (zlib.error, TypeError) as error:
                raise self._database.damaged(f"plan {plan}: {error}") from None
        raise NotFound(f"the plan {plan} is gone")

    def forget(self, before: float) -> None:
        """Remove the plans that were made before. Raises StorageError."""
        if self._has_table():
            self._database.run("DELETE FROM plan WHERE made < ?", (before,))

    def _has_table(self) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'plan'"
        return bool(self._database.rows(query))
