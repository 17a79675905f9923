"""Whether an attempt at a unit may still change anything, as the database decides.

An attempt knows of the end of its lease by a clock of its own, and of a newer attempt not at
all. The database knows both: it gives a unit to a newer attempt in a transaction that changes
the unit's row, and an entry of the journal is written in one that holds that row. So either
the entry is there before the newer attempt begins, or it is never written, and then nothing
is deleted.
"""

from __future__ import annotations

from regbot.journal.database import Database
from regbot.stopping import Attempt

RUNNING = "running"
"""The state of a unit that a worker has taken, and not ended."""
TAKEN_OVER = "a newer one has begun, or its run was cancelled"
"""Why an attempt has ended that may not write."""


def may_write(database: Database, attempt: Attempt) -> bool:
    """Whether it is the newest attempt at its unit, and nobody has ended it.

    To be called in the transaction that writes: until its end nobody else can take the unit,
    whose row counts as changed though it stays as it is.
    """
    return bool(
        database.run(
            "UPDATE unit SET attempt = attempt WHERE id = ? AND attempt = ? AND state = ?",
            (attempt.unit, attempt.number, RUNNING),
        )
    )
