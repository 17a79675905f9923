"""A report for spreadsheets: one table of scripts, repositories and actions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from regbot.events import RunResult
from regbot.report.model import Report, RepositoryLine, Row
from regbot.report.shown import moment, visible

COLUMNS = (
    "line", "script", "repository", "action", "reference", "status", "digest", "reason",
    "detail", "source", "created", "age_seconds", "size_bytes", "tags_before", "deleted", "kept",
    "skipped", "stopped", "failed", "other", "unchanged", "could_be_freed_bytes", "unknown",
)  # fmt: skip
"""``line`` says what a line describes: a script, a repository or an action."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

Cells = dict[str, str | int | float | None]


def as_csv(report: Report) -> str:
    """The report as CSV (RFC 4180). Cells of unknown values are empty."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for cells in _lines(report):
        writer.writerow([harmless(cells.get(column)) for column in COLUMNS])
    return out.getvalue()


def harmless(value: str | float | None) -> str:
    """The text of a cell, quoted where a spreadsheet would take it for a formula."""
    text = "" if value is None else str(value)
    return f"'{visible(text)}" if text.startswith(_FORMULA) else visible(text)


def _lines(report: Report) -> Iterator[Cells]:
    yield from map(_of_run, report.runs)
    yield from map(_of_repository, report.repositories)
    yield from map(_of_action, report.rows_by_urgency)


def _of_run(run: RunResult) -> Cells:
    return {"line": "script", "script": run.script, "status": run.status, "detail": run.error}


def _of_repository(line: RepositoryLine) -> Cells:
    return {
        "line": "repository",
        "script": line.script,
        "repository": line.repository,
        "tags_before": line.tags_before,
        "deleted": line.deleted,
        "kept": line.kept,
        "skipped": line.skipped,
        "stopped": line.stopped,
        "failed": line.failed,
        "other": line.other,
        "unchanged": line.unchanged,
        "could_be_freed_bytes": line.bytes_only,
        "unknown": "; ".join(line.unknown),
    }


def _of_action(row: Row) -> Cells:
    return {
        "line": "action",
        "script": row.script,
        "repository": row.repository,
        "action": row.action,
        "reference": row.reference,
        "status": row.status,
        "digest": row.digest,
        "reason": row.reason,
        "detail": row.detail,
        "source": row.source,
        "created": moment(row.created),
        "age_seconds": None if row.age_seconds is None else round(row.age_seconds),
        "size_bytes": row.size,
    }
