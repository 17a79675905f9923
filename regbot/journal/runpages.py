"""What runs leave to be looked at: log lines and a report, and what stayed in repositories."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from regbot.journal.database import Database
from regbot.journal.records import Remainder, RepositoryDay, RunPage
from regbot.oci.reference import Reference
from regbot.plan.action import DeleteManifest, DeleteTag
from regbot.plan.outcome import ALREADY_GONE
from regbot.store.layout import absolute

RUN_PAGES = (
    """CREATE TABLE IF NOT EXISTS run_page (
        run TEXT PRIMARY KEY REFERENCES script_run(id) ON DELETE CASCADE,
        report BLOB NOT NULL, log BLOB NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS remainder (
        run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
        repository TEXT NOT NULL, kept INTEGER, freeable INTEGER,
        PRIMARY KEY (run, repository)) WITHOUT ROWID""",
)
"""The tables."""
_LARGEST_REPORT = 4 * 1024 * 1024
"""Bytes of a compressed report; a larger one is not kept."""
_DAY = 86400


class RunPages:
    """The pages of runs, in the database that has the runs; they go when the runs go."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, run: str, page: RunPage, remainders: Sequence[Remainder] = ()) -> None:
        """Keep what a run left, if the run is still there. Raises StorageError."""
        report = zlib.compress(page.report.encode("utf-8", "backslashreplace"))
        log = zlib.compress(json.dumps([dict(line) for line in page.log]).encode())
        if len(report) > _LARGEST_REPORT:
            report = zlib.compress(b"")
        with self._database.writing():
            self._database.run(
                "INSERT OR REPLACE INTO run_page (run, report, log)"
                " SELECT id, ?, ? FROM script_run WHERE id = ?",
                (report, log, run),
            )
            self._database.run_many(
                "INSERT OR REPLACE INTO remainder (run, repository, kept, freeable)"
                " SELECT id, ?, ?, ? FROM run WHERE id = ?",
                [
                    (str(_place(left.repository)), left.kept, left.freeable, run)
                    for left in remainders
                ],
            )

    def of(self, run: str) -> RunPage:
        """What a run left; empty if it left nothing. Raises StorageError if it is damaged."""
        query = "SELECT report, log FROM run_page WHERE run = ?"
        for report, log in self._database.rows(query, (run,)):
            try:
                lines = json.loads(zlib.decompress(log))
                return RunPage(zlib.decompress(report).decode(), tuple(map(dict, lines)))
            except (zlib.error, ValueError, TypeError) as error:
                raise self._database.damaged(f"the page of run {run}: {error}") from None
        return RunPage()

    def repository_days(self) -> list[RepositoryDay]:
        """What was deleted on each day from each repository, in their order.

        What a run deleted counts for the day on which the run began.
        """
        days: dict[tuple[str, date], RepositoryDay] = {}
        for item in self._deletes():
            before = days.get((item.repository, item.day))
            days[item.repository, item.day] = _together(before, item) if before else item
        return list(days.values())

    def deleted_by(self, run: str) -> list[RepositoryDay]:
        """What one run deleted from each repository."""
        return self._deletes("run.id = ?", (run,))

    def _deletes(self, which: str = "1", values: tuple[str, ...] = ()) -> list[RepositoryDay]:
        """What each run deleted from each repository, by repository and time."""
        rows = self._database.rows(
            "SELECT repository, run.id, CAST(started / ? AS INTEGER), SUM("  # noqa: S608
            "  CASE WHEN verb = ? OR tags = '' THEN 1"
            "  ELSE length(tags) - length(replace(tags, ' ', '')) + 1 END)"
            " FROM action JOIN run ON run.id = action.run"
            f" WHERE verb IN (?, ?) AND action.status = 'done' AND detail != ? AND {which}"
            " GROUP BY repository, run.id ORDER BY repository, started, run.id",
            (_DAY, DeleteTag.verb, DeleteTag.verb, DeleteManifest.verb, ALREADY_GONE, *values),
        )
        left = self._remainders()
        return [
            RepositoryDay(
                repository,
                datetime.fromtimestamp(day * _DAY, UTC).date(),
                deleted,
                *left.get((run, repository), (None, None)),
                run,
            )
            for repository, run, day, deleted in rows
        ]

    def _remainders(self) -> dict[tuple[str, str], tuple[int | None, int | None]]:
        """What stayed, and the bytes that could be freed, by run and repository."""
        rows = self._database.rows("SELECT run, repository, kept, freeable FROM remainder")
        return {(run, repository): (kept, freeable) for run, repository, kept, freeable in rows}


def _together(before: RepositoryDay, after: RepositoryDay) -> RepositoryDay:
    """What two runs of one day deleted from the same repository."""
    sizes = (before.freeable, after.freeable)
    return replace(
        after,
        deleted=before.deleted + after.deleted,
        kept=before.kept if after.kept is None else after.kept,
        freeable=None if None in sizes else sum(size or 0 for size in sizes),
    )


def _place(repository: str) -> Reference:
    """The repository as actions name it."""
    return absolute(Reference.parse(repository, default_tag=None))
