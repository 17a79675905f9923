"""Tables on a terminal or in a pipe.

On a terminal they fit its width and are coloured. In a pipe or a file there are no titles,
and each row is one line of whole values with a tab between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TextIO

from regbot.report import shown
from regbot.report.actions import ACTION_COLUMNS, action_lines, plain_cells
from regbot.report.layout import Column, Line, Span, folded, laid_out
from regbot.report.model import Report, Row
from regbot.report.shown import brief, visible

if TYPE_CHECKING:
    from rich.console import Console

_AT_ONCE = 500
"""Lines that are written together."""


def print_table(rows: Sequence[Row], last_line: str, stream: TextIO) -> None:
    """Print a table of actions, and below it the summary."""
    if stream.isatty():
        _print_laid_out(ACTION_COLUMNS, action_lines(rows), stream, None)
    else:
        for row in rows:
            _print_cells(plain_cells(row), stream)
    print_line(last_line, stream)


def print_summary(report: Report, stream: TextIO) -> None:
    """Print a table of repositories, the bytes that could be freed, and what is unknown."""
    titles, rows = shown.repository_lines(report)
    columns = [
        Column(title, is_number=place > 0, is_name=place == 0, left_out=int(title in _ASIDE))
        for place, title in enumerate(titles[1:])
    ]
    print_lines(
        columns, [Line(tuple(cells), headings=(script,)) for script, *cells in rows], stream
    )
    for run in report.troubled_runs:
        print_line(f"{run.script} {run.status}: {run.error}", stream, style="bold")
    print_line(f"{shown.statuses(report)}. {shown.freed(report)}", stream)
    for text, names in report.unknowns.items():
        print_line(f"unknown: {text} ({shown.about(names)})", stream)


_ASIDE = ("tags before",)
"""The titles of the columns that a narrow terminal leaves out."""


def print_lines(
    columns: Sequence[Column], lines: Sequence[Line], stream: TextIO, *, title: str = ""
) -> None:
    """Print a table with a line of titles; ``title`` is that of the texts at the end."""
    if stream.isatty():
        _print_laid_out(columns, lines, stream, title)
        return
    for line in lines:
        text = (line.text,) if title else ()
        _print_cells((*line.headings, *line.cells, *text), stream)


def print_line(text: str, stream: TextIO, *, style: str = "") -> None:
    """Print a line of text, on a terminal in several where it is too long."""
    if not stream.isatty():
        print(visible(text), file=stream)
        return
    _print_spans(([(part, style)] for part in folded(visible(text), _width(stream))), stream)


def _print_cells(cells: Iterable[str], stream: TextIO) -> None:
    print("\t".join(map(visible, cells)), file=stream)


def _print_laid_out(
    columns: Sequence[Column], lines: Sequence[Line], stream: TextIO, title: str | None
) -> None:
    shortened = [_shortened(line) for line in lines]
    if lines:
        _print_spans(laid_out(columns, shortened, _width(stream), title=title), stream)


def _shortened(line: Line) -> Line:
    """A line as a terminal shows it: nothing hidden, and digests by their first digits."""
    return Line(
        tuple(brief(visible(cell)) for cell in line.cells),
        brief(visible(line.text)),
        tuple(map(visible, line.headings)),
        line.style,
        tuple(brief(visible(text)) for text in line.below),
    )


def _width(stream: TextIO) -> int:
    return _console(stream).width


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    return Console(file=stream, highlight=False, soft_wrap=True)


def _print_spans(lines: Iterable[list[Span]], stream: TextIO) -> None:
    """Write lines, many at once: a terminal takes its time for each call."""
    from rich.segment import Segment, Segments

    console, waiting = _console(stream), iter(lines)
    while part := list(islice(waiting, _AT_ONCE)):
        segments = [
            Segment(text, console.get_style(style) if style else None)
            for spans in part
            for text, style in (*spans, ("\n", ""))
        ]
        console.print(Segments(segments), end="")
