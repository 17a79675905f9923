"""The journal for people: runs, their actions, what an undo did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from regbot.journal.records import ActionRecord, RunRecord
from regbot.journal.restore import Undone
from regbot.report.terminal import print_rows
from regbot.units import format_moment

_NOTHING = "the journal is empty: no run has changed anything"


def print_runs(runs: Sequence[RunRecord], stream: TextIO) -> None:
    """A line a run, the newest first."""
    rows = [
        (run.id, format_moment(round(run.started)), run.kind, run.status, _counts(run), run.config)
        for run in runs
    ]
    _print(("run", "started", "command", "status", "actions", "config"), rows, _NOTHING, stream)


def print_actions(actions: Sequence[ActionRecord], stream: TextIO) -> None:
    """A line an action, in the order they began."""
    rows = [
        (
            action.script,
            action.verb,
            action.status,
            str(action.reference),
            str(action.digest or ""),
            "; ".join(part for part in (action.reason, action.detail) if part),
        )
        for action in actions
    ]
    columns = ("script", "action", "status", "reference", "digest", "reason")
    _print(columns, rows, "this run has no actions", stream)


def print_undone(undone: Sequence[Undone], stream: TextIO) -> None:
    """A line a tag or manifest, with what became of it."""
    rows = [(one.status, str(one.reference), one.detail) for one in undone]
    _print(("status", "reference", "detail"), rows, "there is nothing to put back", stream)


def _counts(run: RunRecord) -> str:
    return ", ".join(f"{count} {status}" for status, count in run.counts.items())


def _print(
    columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], nothing: str, stream: TextIO
) -> None:
    if rows:
        print_rows(columns, rows, stream)
    else:
        stream.write(f"{nothing}\n")
