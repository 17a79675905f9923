"""Which of many servers runs a script that is due: the first one that says so."""

from __future__ import annotations

from regbot.journal.database import Database, Steps, storable

STEPS: Steps = (
    (
        """CREATE TABLE due (
            config TEXT NOT NULL, script TEXT NOT NULL, due REAL NOT NULL,
            claimed REAL NOT NULL, PRIMARY KEY (config, script, due))""",
    ),
)
_KEPT = 30 * 86400.0
"""Seconds for which a claim is remembered."""


class DueClaims:
    """Who runs what is due, as the servers with one database agree; threads may share it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, config: str, script: str, due: float, gap: float) -> bool:
        """Whether nobody else has claimed this run, due at seconds since 1970.

        Servers count an interval from when they began: a run that is due less than ``gap``
        seconds after another is the same to them. Raises StorageError.
        """
        now = self._database.now
        with self._database.writing():
            if self._database.rows(
                "SELECT 1 FROM due WHERE config = ? AND script = ? AND due > ? AND due < ?",
                (storable(config), storable(script), due - gap, due + gap),
            ):
                return False
            self._database.run(f"DELETE FROM due WHERE claimed < {now} - ?", (_KEPT,))  # noqa: S608
            return bool(
                self._database.run(
                    "INSERT INTO due (config, script, due, claimed)"  # noqa: S608
                    f" VALUES (?, ?, ?, {now}) ON CONFLICT DO NOTHING",
                    (storable(config), storable(script), due),
                )
            )
