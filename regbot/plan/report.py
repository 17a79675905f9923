"""What became of the actions, for people and pipes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TextIO

from regbot.plan.action import Outcome

_COLUMNS = ("script", "action", "reference", "digest", "reason")
_PIPE_WIDTH = 10_000
_DIGEST_SHOWN = 19


def print_table(outcomes: Sequence[Outcome], stream: TextIO) -> None:
    """A table of actions, one a row, and a line of counts.

    On a terminal digests are cut to their first digits; in a pipe or file every
    row is one line with all of it.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    if not console.is_terminal:
        console = Console(file=stream, highlight=False, width=_PIPE_WIDTH)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        table.add_column(column, overflow="fold")
    for outcome in outcomes:
        table.add_row(*(Text(cell) for cell in _cells(outcome, short=console.is_terminal)))
    if outcomes:
        console.print(table)
    console.print(Text(counts(outcomes)))


def _cells(outcome: Outcome, *, short: bool) -> tuple[str, ...]:
    action = outcome.action
    verb = action.verb
    if outcome.status in ("skipped", "failed"):
        verb = f"{verb} ({outcome.status})"
    digest = str(outcome.digest or "")
    why = "; ".join(part for part in (action.reason, outcome.detail) if part)
    return (
        _one_line(outcome.script),
        verb,
        str(action.reference),
        digest[:_DIGEST_SHOWN] if short else digest,
        _one_line(why),
    )


def _one_line(text: str) -> str:
    readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in readable)


def counts(outcomes: Sequence[Outcome]) -> str:
    """A line such as ``12 planned, 1 skipped``."""
    by_status = Counter(outcome.status for outcome in outcomes)
    if not by_status:
        return "nothing to do"
    return ", ".join(
        f"{by_status[status]} {status}"
        for status in ("done", "planned", "skipped", "failed")
        if by_status[status]
    )
