"""How long what is on record is kept: as long as its own config says, whatever others say.

Configs that share a state each have a ``journalKeep``. Every row has that of its config in
``keep``, in seconds. What an earlier regbot noted has none there, and stays until its config is
used again.
"""

from __future__ import annotations

from collections.abc import Iterable

from regbot.journal.database import Database, storable

KEPT = ("run", "plan", "script_run")
"""The tables of the history whose rows are kept for so long; others go with them."""
KEEPING = tuple(f"ALTER TABLE {table} ADD COLUMN keep REAL" for table in KEPT)


def keep_for(database: Database, tables: Iterable[str], config: str, seconds: float) -> None:
    """Keep what a config noted in some tables for so long, if it said less then, or nothing.

    Nothing is kept for less than was said: a config is known by its path alone, and another
    machine may have another one there.
    """
    with database.writing():
        for table in tables:
            database.run(
                f"UPDATE {table} SET keep = ? WHERE config = ?"  # noqa: S608
                " AND (keep IS NULL OR keep < ?)",
                (seconds, storable(config), seconds),
            )
