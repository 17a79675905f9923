"""Which scripts failed in their last run, until one ends well."""

from __future__ import annotations

from regbot.journal.database import Database, storable

FAILING = (
    """CREATE TABLE failing (
        config TEXT NOT NULL, script TEXT NOT NULL, since REAL NOT NULL,
        PRIMARY KEY (config, script)) WITHOUT ROWID""",
)
_KEPT = 30 * 86400.0
"""Seconds for which that is remembered: the script may be gone."""


class Failing:
    """The scripts that fail, in a database.

    Unlike the runs of scripts it has those of all commands, and only what matters for
    telling that a script works again. All methods raise StorageError.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, config: str) -> frozenset[str]:
        """The scripts of a config that fail."""
        query = "SELECT script FROM failing WHERE config = ?"
        return frozenset(name for (name,) in self._database.rows(query, (storable(config),)))

    def add(self, config: str, script: str, since: float) -> None:
        """Note that a script failed, at a time in seconds since 1970."""
        self._database.run(
            "INSERT INTO failing (config, script, since) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (storable(config), storable(script), since),
        )

    def remove(self, config: str, script: str) -> None:
        """Note that a script works again."""
        self._database.run(
            "DELETE FROM failing WHERE config = ? AND script = ?",
            (storable(config), storable(script)),
        )

    def forget(self, now: float) -> None:
        """Remove the scripts that have failed for too long, such as those of old configs."""
        self._database.run("DELETE FROM failing WHERE since < ?", (now - _KEPT,))
