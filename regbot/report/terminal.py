"""Tables on a terminal or in a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from regbot.plan.outcome import Outcome
from regbot.report import shown
from regbot.report.model import Report
from regbot.report.shown import visible

_COLUMNS = ("script", "action", "reference", "digest", "reason")
_DIGEST_SHOWN = 19


def print_table(outcomes: Sequence[Outcome], last_line: str, stream: TextIO) -> None:
    """Print a table of actions, and below it the summary of the run.

    On a terminal, digests are shortened to their first digits. In a pipe or a file,
    every row is one complete line.
    """
    rows = [_cells(outcome, short=stream.isatty()) for outcome in outcomes]
    if rows:
        print_rows(_COLUMNS, rows, stream)
    _print_line(last_line, stream)


def print_summary(report: Report, stream: TextIO) -> None:
    """Print a table of repositories, the bytes that could be freed, and what is unknown."""
    if report.repositories:
        lines = [shown.line_cells(line) for line in report.repositories]
        print_rows(shown.LINE_COLUMNS, lines, stream, right_from=2)
    for run in report.troubled_runs:
        _print_line(f"{run.script} {run.status}: {run.error}", stream, style="bold")
    _print_line(f"{shown.statuses(report)}. {shown.freed(report)}", stream)
    for text, names in report.unknowns.items():
        _print_line(f"unknown: {text} ({shown.about(names)})", stream)


def print_rows(
    columns: Sequence[str],
    rows: Sequence[tuple[str, ...]],
    stream: TextIO,
    *,
    right_from: int | None = None,
) -> None:
    """Print a plain table: on a terminal folded to its width, else one line for each row.

    The columns from ``right_from`` on are numbers.
    """
    cells = [tuple(map(visible, row)) for row in rows]
    if stream.isatty():
        _print_folded(columns, cells, stream, right_from)
        return
    lines = [tuple(columns), *cells]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        aligned = [
            text.ljust(width) if right_from is None or place < right_from else text.rjust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(aligned).rstrip(), file=stream)


def _print_folded(
    columns: Sequence[str],
    rows: Sequence[tuple[str, ...]],
    stream: TextIO,
    right_from: int | None,
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        is_number = right_from is not None and place >= right_from
        table.add_column(column, overflow="fold", justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(file=stream, highlight=False).print(table)


def _print_line(text: str, stream: TextIO, *, style: str = "") -> None:
    if not stream.isatty():
        print(visible(text), file=stream)
        return
    from rich.console import Console

    Console(file=stream, highlight=False).print(visible(text), style=style, markup=False)


def _cells(outcome: Outcome, *, short: bool) -> tuple[str, ...]:
    action = outcome.action
    verb = action.verb
    if outcome.status not in ("done", "planned"):
        verb = f"{verb} ({outcome.status})"
    digest = str(outcome.digest or "")
    why = "; ".join(part for part in (action.reason, outcome.detail) if part)
    return (
        outcome.script,
        verb,
        str(action.reference),
        digest[:_DIGEST_SHOWN] if short else digest,
        why,
    )
