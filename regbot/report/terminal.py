"""Tables on a terminal or in a pipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from regbot.plan.outcome import Outcome
from regbot.report import shown
from regbot.report.model import Ran, Report
from regbot.report.shown import visible

if TYPE_CHECKING:
    from rich.console import Console

_COLUMNS = ("script", "action", "reference", "digest", "reason")
_PIPE_WIDTH = 10_000
_DIGEST_SHOWN = 19


def print_table(outcomes: Sequence[Outcome], runs: Sequence[Ran], stream: TextIO) -> None:
    """Print a table of actions, and a line of counts that includes failed scripts.

    On a terminal, digests are shortened to their first digits. In a pipe or a file,
    every row is one complete line.
    """
    console = _console(stream)
    rows = [_cells(outcome, short=console.is_terminal) for outcome in outcomes]
    if rows:
        _print(console, _COLUMNS, rows)
    counts = Counter(outcome.status for outcome in outcomes)
    console.print(shown.totals(counts, runs), markup=False)


def print_summary(report: Report, stream: TextIO) -> None:
    """Print a table of repositories, the bytes that could be freed, and what is unknown."""
    console = _console(stream)
    if report.repositories:
        lines = [shown.line_cells(line) for line in report.repositories]
        _print(console, shown.LINE_COLUMNS, lines, right_from=2)
    for run in report.troubled_runs:
        error = visible(run.error)
        console.print(f"{visible(run.script)} {run.status}: {error}", style="bold", markup=False)
    console.print(f"{shown.statuses(report)}. {shown.freed(report)}", markup=False)
    for text, names in report.unknowns.items():
        console.print(f"unknown: {visible(text)} ({shown.about(names)})", markup=False)


def print_rows(columns: Sequence[str], rows: Sequence[tuple[str, ...]], stream: TextIO) -> None:
    """Print a plain table: on a terminal folded to its width, else one line for each row."""
    _print(_console(stream), columns, [tuple(map(visible, row)) for row in rows])


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    console = Console(file=stream, highlight=False)
    if not console.is_terminal:
        console = Console(file=stream, highlight=False, width=_PIPE_WIDTH)
    return console


def _print(
    console: Console,
    columns: Sequence[str],
    rows: Sequence[tuple[str, ...]],
    *,
    right_from: int | None = None,
) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        is_number = right_from is not None and place >= right_from
        table.add_column(column, overflow="fold", justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _cells(outcome: Outcome, *, short: bool) -> tuple[str, ...]:
    action = outcome.action
    verb = action.verb
    if outcome.status not in ("done", "planned"):
        verb = f"{verb} ({outcome.status})"
    digest = str(outcome.digest or "")
    why = "; ".join(part for part in (action.reason, outcome.detail) if part)
    return (
        visible(outcome.script),
        verb,
        str(action.reference),
        digest[:_DIGEST_SHOWN] if short else digest,
        visible(why),
    )
