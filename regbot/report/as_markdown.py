"""A report for a merge request or a wiki, in GitHub's Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from regbot.report import shown
from regbot.report.model import Report, Row
from regbot.report.shown import visible

_MEANINGFUL = re.compile(r"[\\`*_{}\[\]()#!|~$]|:(?=//)|(?<=www)\.")
_MENTION = re.compile(r"(?<!\w)@(?=\w)")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_ACTIONS = ("status", "action", "reference", "age", "size", "reason", "digest", "script")


def as_markdown(report: Report) -> str:
    """The report as Markdown. Text from registries and scripts is escaped."""
    return "\n".join(_blocks(report))


def inert(text: str) -> str:
    """A text escaped for Markdown and HTML, and without mentions of users."""
    escaped = _MEANINGFUL.sub(r"\\\g<0>", visible(text)).translate(_ENTITIES)
    return _MENTION.sub("@<!-- -->", escaped)


def _blocks(report: Report) -> Iterator[str]:
    times = f"{shown.moment(report.started)} to {shown.moment(report.finished)}"
    yield f"# regbot: {shown.heading(report)}\n"
    yield f"{times}, regbot {inert(report.version)}\n"
    yield f"**{shown.statuses(report)}.** {shown.freed(report)}\n"
    if report.troubled_runs:
        yield "## Scripts that failed or were stopped\n"
        for run in report.troubled_runs:
            yield f"- **{inert(run.script)}** {run.status}: {inert(run.error)}"
        yield ""
    if report.repositories:
        yield "## Repositories\n"
        yield from _table(*shown.repository_lines(report), 2)
        yield f"{shown.BYTES_EXPLAINED}\n"
    if report.unknowns:
        yield "## Unknown\n"
        for text, names in report.unknowns.items():
            yield f"- {inert(text)} ({inert(shown.about(names))})"
        yield ""
    if report.rows:
        yield "## Actions\n"
        yield from _table(_ACTIONS, map(_cells, report.rows_by_urgency), len(_ACTIONS))


def _table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], numbers_from: int
) -> Iterator[str]:
    rules = ["---" if place < numbers_from else "---:" for place in range(len(columns))]
    yield f"| {' | '.join(columns)} |"
    yield f"| {' | '.join(rules)} |"
    for row in rows:
        yield f"| {' | '.join(map(inert, row))} |"
    yield ""


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.status,
        row.action,
        row.reference,
        shown.age(row.age_seconds),
        "" if row.size is None else shown.size(row.size),
        row.why,
        row.digest,
        row.script,
    )
