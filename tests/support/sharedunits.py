"""Units of runs that workers share, in a database of a test, and a worker that says it has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from regbot.journal.courses import COURSES
from regbot.journal.database import Database
from regbot.journal.history import STEPS
from regbot.journal.leases import LEASES
from regbot.run.cluster.progress import State
from regbot.run.cluster.units import HandedOut, NewUnit, Taken, Units
from support.databases import connecting

TABLES = (*STEPS, LEASES, *COURSES)
CONFIG = f"sha256:{64 * 'a'}"


class NoBell:
    """Calls nobody."""

    def ring(self, fingerprint: str, units: Sequence[str], after: float = 0.0) -> None:
        pass

    def missing(self, waiting_for: float) -> Mapping[str, str]:
        return {}


class SharedUnits:
    """The units in a ``database``, and what happens to them by the word of a test."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.units = Units(database, NoBell())

    def hand_out(
        self,
        run: str,
        *repositories: str,
        kind: str = "once",
        script: str = "clean",
        fingerprint: str = CONFIG,
        config: str = "/etc/regbot/regbot.yml",
    ) -> list[str]:
        """Hand out a run with a unit for each repository; the ids of the units."""
        ids = [f"{run} {name}" for name in repositories]
        new = [
            NewUnit(unit, script, "repository", name, b"")
            for unit, name in zip(ids, repositories, strict=True)
        ]
        assert self.units.hand_out(HandedOut(run, kind, config, fingerprint, b""), new)
        return ids

    def take(self, unit: str, worker: str = "host1") -> Taken:
        """Have a worker that is alive take a unit."""
        self.database.run(
            f"INSERT INTO worker VALUES (?, ?, {self.database.now} + 60) ON CONFLICT DO NOTHING",
            (f"id of {worker}", worker),
        )
        taken = self.units.take(unit, f"id of {worker}")
        assert taken
        return taken

    def end(self, unit: str, state: State = "done", error: str = "") -> None:
        """Have a unit done."""
        assert self.units.end(self.take(unit), state, error, None, lambda _: ())


def shared_units(where: Path | str) -> SharedUnits:
    """Units in a new file, or at the URL of an empty database."""
    return SharedUnits(connecting(where, TABLES)())
