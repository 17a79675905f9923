"""Runs whose units workers do, as the history knows them: which go on, and which are too old.

``run.cluster`` hands them out and has their units done. A run ends in the history in the
transaction in which its last unit ends, whoever ends that.
"""

from __future__ import annotations

from regbot.events import Ending
from regbot.journal.database import Database, Steps
from regbot.journal.history import end_run
from regbot.journal.keeping import keep_for

COURSES: Steps = (
    (
        """CREATE TABLE course (
        run TEXT PRIMARY KEY, kind TEXT NOT NULL, config TEXT NOT NULL,
        fingerprint TEXT NOT NULL, content BLOB NOT NULL, made REAL NOT NULL,
        ended REAL, status TEXT NOT NULL DEFAULT '', closed INTEGER NOT NULL DEFAULT 0)""",
        "CREATE INDEX course_to_close ON course(closed)",
        """CREATE TABLE unit (
        id TEXT PRIMARY KEY, run TEXT NOT NULL, place INTEGER NOT NULL,
        script TEXT NOT NULL, kind TEXT NOT NULL, repository TEXT NOT NULL,
        content BLOB NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL,
        failures INTEGER NOT NULL, worker TEXT NOT NULL, ready REAL NOT NULL,
        begun REAL, ended REAL, error TEXT NOT NULL, result BLOB)""",
        "CREATE INDEX unit_of_run ON unit(run, place)",
        "CREATE INDEX unit_in_state ON unit(state, worker)",
    ),
    (
        "CREATE INDEX unit_open ON unit(run, script) WHERE ended IS NULL",
        "CREATE INDEX unit_ended ON unit(run, ended) WHERE ended IS NOT NULL",
        "CREATE INDEX unit_first ON unit(run, script) WHERE kind IN ('script', 'split')",
    ),
    (
        "ALTER TABLE course ADD COLUMN plan TEXT NOT NULL DEFAULT ''",
        "DROP INDEX course_to_close",
        "ALTER TABLE course DROP COLUMN closed",
    ),
    ("ALTER TABLE course ADD COLUMN keep REAL",),
)
"""The tables. ``course`` is a run, and ``plan`` the id of the one that it carries out, if that
is kept; ``keep`` is as in RunRecord. A unit in state ``waiting`` may begin from ``ready`` on;
its ``failures`` are attempts that came to nothing by themselves. Times are in seconds since 1970
by the database's clock."""


class Courses:
    """The courses in a database; threads may share it. Raises StorageError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def is_going(self, run: str) -> bool:
        """Whether a run was handed out and has not ended."""
        query = "SELECT 1 FROM course WHERE run = ? AND ended IS NULL"
        return bool(self._database.rows(query, (run,)))

    def is_applying(self, plan: str) -> bool:
        """Whether a run that carries out a plan has not ended."""
        query = "SELECT 1 FROM course WHERE plan = ? AND ended IS NULL"
        return bool(self._database.rows(query, (plan,)))

    def end(self, run: str, status: Ending) -> None:
        """End a run, also in the history, and the plan that it carries out.

        Call it in ``writing``.
        """
        ((now,),) = self._database.rows(f"SELECT {self._database.now}")
        if not self._database.run(
            "UPDATE course SET ended = ?, status = ? WHERE run = ? AND ended IS NULL",
            (now, status, run),
        ):
            return
        end_run(self._database, run, status, now)
        self._database.run(
            "UPDATE plan SET state = ? WHERE state = 'applying'"
            " AND id IN (SELECT plan FROM course WHERE run = ?)",
            ("applied" if status == "done" else "failed", run),
        )

    def forget(self, config: str, keep: float) -> None:
        """Remove runs that ended longer ago than each is kept, with their units and results.

        Those of this config are kept for at least so many seconds. What they changed stays in
        the history for as long as that says.
        """
        keep_for(self._database, ("course",), config, keep)
        for (run,) in self._database.rows(
            f"SELECT run FROM course WHERE ended < {self._database.now} - keep"  # noqa: S608
        ):
            self._database.run("DELETE FROM unit WHERE run = ?", (run,))
            self._database.run("DELETE FROM course WHERE run = ?", (run,))
