"""The limits that a process shares with those that have the same state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regbot.journal.place import DatabaseUrl, State

if TYPE_CHECKING:
    from regbot.journal.database import Database
    from regbot.run.limits.sharing import SharedLimits


def open_limits(state: State | None) -> SharedLimits | None:
    """The limits of all processes with this state; None for a folder, which is for one machine.

    The database is opened by the first request.
    """
    if not isinstance(state, DatabaseUrl):
        return None
    from regbot.run.limits.sharing import SharedLimits

    return SharedLimits(lambda: _connect(state))


def _connect(url: DatabaseUrl) -> Database:
    """The database with the tables of the limits. Raises as ``connect``."""
    from regbot.journal.opening import PATIENCE
    from regbot.journal.shared import connect
    from regbot.run.limits.table import STEPS

    return connect(url, {"limits": STEPS}, PATIENCE)
