"""What runs leave to be looked at: log lines and a report, and what stayed in repositories."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby

from regbot.journal.database import Database
from regbot.journal.records import Remainder, RepositoryDay, RunPage
from regbot.oci.reference import Reference
from regbot.plan.action import DeleteManifest, DeleteTag
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

_Delete = tuple[str, float, str, int, int | None, int | None]
"""Repository, when the run began, the run, what it deleted, what stayed, and what was freeable."""


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
        places = [str(_place(left.repository)) for left in remainders]

        def write() -> None:
            self._database.run(
                "INSERT INTO run_page (run, report, log)"
                " SELECT id, ?, ? FROM script_run WHERE id = ?"
                " ON CONFLICT (run) DO UPDATE SET report = excluded.report, log = excluded.log",
                (report, log, run),
            )
            self._database.run_many(
                "INSERT INTO remainder (run, repository, kept, freeable)"
                " SELECT id, ?, ?, ? FROM run WHERE id = ? ON CONFLICT (run, repository)"
                " DO UPDATE SET kept = excluded.kept, freeable = excluded.freeable",
                [
                    (place, left.kept, left.freeable, run)
                    for place, left in zip(places, remainders, strict=True)
                ],
            )

        self._database.together(write)

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
        return _by_day(self._deletes())

    def deleted_by(self, run: str) -> list[RepositoryDay]:
        """What one run deleted from each repository."""
        return _by_day(self._deletes("AND run = ?", (run,)))

    def _deletes(self, which: str = "", values: tuple[str, ...] = ()) -> list[_Delete]:
        """What each run deleted from each repository, by repository and time."""
        return self._database.rows(
            "SELECT deleted.repository, started, run.id, count, kept, freeable FROM"  # noqa: S608
            " (SELECT repository, run, SUM(CASE WHEN verb = ? OR tags = '' THEN 1"
            "   ELSE length(tags) - length(replace(tags, ' ', '')) + 1 END) AS count"
            f"  FROM action WHERE verb IN (?, ?) AND status = 'done' AND was_gone = 0 {which}"
            "  GROUP BY repository, run) AS deleted"
            " JOIN run ON run.id = deleted.run"
            " LEFT JOIN remainder ON remainder.run = deleted.run"
            "   AND remainder.repository = deleted.repository"
            " ORDER BY deleted.repository, started, run.id",
            (DeleteTag.verb, DeleteTag.verb, DeleteManifest.verb, *values),
        )


def _by_day(deletes: Iterable[_Delete]) -> list[RepositoryDay]:
    """The deletes of each repository and day together."""
    return [
        _day(repository, day, list(group))
        for (repository, day), group in groupby(deletes, lambda row: (row[0], row[1] // _DAY))
    ]


def _day(repository: str, day: float, deletes: Sequence[_Delete]) -> RepositoryDay:
    _, _, runs, counts, kept, sizes = zip(*deletes, strict=True)
    known = [number for number in kept if number is not None]
    return RepositoryDay(
        repository,
        datetime.fromtimestamp(day * _DAY, UTC).date(),
        sum(counts),
        known[-1] if known else None,
        None if None in sizes else sum(sizes),
        runs[-1],
    )


def _place(repository: str) -> Reference:
    """The repository as actions name it."""
    return absolute(Reference.parse(repository, default_tag=None))
