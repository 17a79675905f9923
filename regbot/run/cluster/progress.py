"""How far runs are that workers share, as commands, pages and metrics show it.

This only reads the tables of ``units``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Literal

from regbot.journal.attempts import RUNNING
from regbot.journal.database import ALL_ROWS, Database
from regbot.values import dataclass

State = Literal["waiting", "running", "done", "failed", "stopped"]
STATES: tuple[State, ...] = ("waiting", "running", "done", "failed", "stopped")

_SHOWN = (
    "unit.id, run, script, kind, repository, state, attempt, failures, begun, ended, error,"
    " COALESCE((SELECT name FROM worker WHERE worker.id = unit.worker), '')"
)
_COURSE = "course.run, course.kind, course.config, course.made, course.ended, course.status"
_TO_LOOK_AT = (
    "CASE state WHEN 'failed' THEN 0 WHEN 'stopped' THEN 1 WHEN 'running' THEN 2"
    " WHEN 'waiting' THEN 3 ELSE 4 END"
)


@dataclass(frozen=True, slots=True)
class UnitRecord:
    """Where a unit is. ``worker`` is the name of who does it, or did it last."""

    id: str
    run: str
    script: str
    kind: str
    repository: str
    state: State
    attempt: int
    failures: int
    begun: float | None
    ended: float | None
    error: str
    worker: str


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is: ``counts`` are its units by state, all states among them.

    ``kind`` is the command that handed it out, with the path of its ``config`` there.
    Times are in seconds since 1970. ``status`` is how it ended, empty before.
    """

    run: str
    kind: str
    config: str
    made: float
    ended: float | None
    status: str
    scripts: tuple[str, ...]
    counts: Mapping[State, int]


class Progress:
    """How far runs are; threads may share it. Raises StorageError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def going(self) -> list[RunProgress]:
        """The runs that have not ended, the oldest first."""
        return self._runs("course.ended IS NULL")

    def of(self, run: str) -> RunProgress | None:
        """A run; None if none with this id was handed out."""
        return next(iter(self._runs("course.run = ?", run)), None)

    def records(self, run: str = "") -> list[UnitRecord]:
        """The units of a run in their order, or those of all runs that have not ended."""
        if run:
            return self._records("run = ? ORDER BY place", run)
        going = "SELECT run FROM course WHERE ended IS NULL"
        return self._records(f"run IN ({going}) ORDER BY run, place")

    def being_done(self, most: int) -> list[UnitRecord]:
        """The units that workers do now, at most so many, by when they began."""
        return self._records("state = ? ORDER BY begun", RUNNING, most=most)

    def first_of(self, run: str, most: int) -> list[UnitRecord]:
        """At most so many units of a run, those first that want to be looked at."""
        return self._records(f"run = ? ORDER BY {_TO_LOOK_AT}, place", run, most=most)

    def counts(self, fingerprint: str) -> Mapping[str, int]:
        """How many units of a config wait, and how many are being done."""
        rows = self._database.rows(
            "SELECT unit.state, COUNT(*) FROM unit JOIN course ON course.run = unit.run"
            " WHERE unit.state IN ('waiting', ?) AND course.fingerprint LIKE ? GROUP BY unit.state",
            (RUNNING, f"{fingerprint}.%"),
        )
        return {"waiting": 0, RUNNING: 0, **{state: int(count) for state, count in rows}}

    def _records(self, which: str, *values: str, most: int = ALL_ROWS) -> list[UnitRecord]:
        query = f"SELECT {_SHOWN} FROM unit WHERE {which} LIMIT ?"  # noqa: S608
        return [UnitRecord(*row) for row in self._database.rows(query, (*values, most))]

    def _runs(self, which: str, *values: str) -> list[RunProgress]:
        rows = self._database.rows(
            f"SELECT {_COURSE}, unit.script, unit.state, COUNT(unit.id)"  # noqa: S608
            f" FROM course LEFT JOIN unit ON unit.run = course.run WHERE {which}"
            f" GROUP BY {_COURSE}, unit.script, unit.state"
            " ORDER BY course.made, course.run, MIN(unit.place)",
            values,
        )
        return [_progress(list(group)) for _, group in groupby(rows, key=lambda row: row[0])]


def _progress(rows: Sequence[tuple[Any, ...]]) -> RunProgress:
    """A run, of the counts of its units by script and state."""
    counts = dict.fromkeys(STATES, 0)
    for *_, state, count in rows:
        if state:
            counts[state] += int(count)
    scripts = dict.fromkeys(script for *_, script, _, _ in rows if script)
    run, kind, config, made, ended, status, *_ = rows[0]
    return RunProgress(run, kind, config, made, ended, status, tuple(scripts), counts)
