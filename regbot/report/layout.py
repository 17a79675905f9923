"""Lines in columns that fit the width of a terminal.

A name is never broken: one that is too long for its column has the line to itself, and
the rest goes below it. Columns for which there is no room are left out, and the text at
the end of a line is wrapped between its words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from regbot.values import dataclass

_GAP = 2
_INDENT = 2
_LEAST_TEXT = 30
"""Cells that the text at the end has at least, where columns can be left out for it."""
_LEAST_NAME = 8
_MOST_NAME = 0.4
"""The part of the width that a column of names may take."""

_CLAUSES = re.compile(r"(?<=;) ")

Span = tuple[str, str]
"""A text and its style."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    ``is_number`` puts it to the right. ``is_name``: cells may be too long for it.
    ``left_out`` is when it goes where there is no room: the highest first, 0 never.
    ``from_width`` is the least width of a terminal that shows it.
    """

    title: str = ""
    is_number: bool = False
    is_name: bool = False
    left_out: int = 0
    from_width: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """A cell for each column, and a text at the end.

    ``headings`` are written above it where they differ from those of the line before.
    ``style`` is that of the first cell; ``below`` are texts under the line.
    """

    cells: tuple[str, ...]
    text: str = ""
    headings: tuple[str, ...] = ()
    style: str = ""
    below: tuple[str, ...] = ()


def _cell_len(text: str) -> int:
    """How many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich import cells  # late: piped tables need nothing of it

    return cells.cell_len(text)


def laid_out(
    columns: Sequence[Column], lines: Sequence[Line], width: int, *, title: str | None = None
) -> Iterator[list[Span]]:
    """The lines of a table on a terminal, each as the texts that make it.

    ``title`` is that of the texts at the end; without it there is no line of titles.
    """
    titles = Line(tuple(column.title for column in columns), title or "")
    measured = lines if title is None else [titles, *lines]
    depth = max((len(line.headings) for line in lines), default=0) * _INDENT
    filled = [
        place
        for place, column in enumerate(columns)
        if width >= column.from_width and any(line.cells[place] for line in lines)
    ]
    lengths = {place: [_cell_len(line.cells[place]) for line in measured] for place in filled}
    text = max((_cell_len(line.text) for line in measured), default=0)
    room = width - depth - (min(text, _LEAST_TEXT) + _GAP if text else 0)
    layout = _Layout(columns, _fitted(columns, lengths, room), depth, width)
    if title is not None:
        yield from layout.spans(titles, "bold")
    above: tuple[str, ...] = ()
    for line in lines:
        yield from _headings(line.headings, above)
        yield from layout.spans(line)
        above = line.headings


def folded(text: str, width: int) -> Iterator[str]:
    """A line in several where it is too long, broken between its clauses if that is enough.

    A clause with a command stays in one piece, so that the command can be copied.
    """
    clauses = [clause.strip() for clause in _CLAUSES.split(text)]
    parts = [
        part
        for clause in clauses
        for part in ([clause] if _is_whole(clause, width) else clause.split())
    ]
    return _wrapped(parts, width)


def _is_whole(clause: str, width: int) -> bool:
    return _cell_len(clause) <= width or ": regbot " in clause


def _headings(headings: tuple[str, ...], above: tuple[str, ...]) -> Iterator[list[Span]]:
    """The headings from the first that is another one than above."""
    for depth, heading in enumerate(headings):
        if headings[: depth + 1] != above[: depth + 1] and heading:
            yield [(" " * depth * _INDENT, ""), (heading, "" if depth else "bold")]


def _fitted(
    columns: Sequence[Column], lengths: Mapping[int, Sequence[int]], room: int
) -> dict[int, int]:
    """The widths of the columns that there is room for. Long names don't make theirs wide."""
    most = max(_LEAST_NAME, int(room * _MOST_NAME))
    widths = {
        place: max((length for length in cells if length <= most), default=_LEAST_NAME)
        if columns[place].is_name
        else max(cells)
        for place, cells in lengths.items()
    }
    for place in sorted(widths, key=lambda place: -columns[place].left_out):
        if columns[place].left_out and _total(widths) > room:
            del widths[place]
    return widths


def _total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)


class _Layout:
    """Where each column begins, and how wide it is."""

    def __init__(
        self, columns: Sequence[Column], widths: dict[int, int], depth: int, width: int
    ) -> None:
        self._columns = columns
        self._widths = widths
        self._width = width
        self._starts: dict[int, int] = {}
        self._end = depth
        for place, wide in widths.items():
            self._starts[place] = self._end
            self._end += wide + _GAP
        self._second = next(iter([*self._starts.values()][1:]), self._end)

    def spans(self, line: Line, style: str = "") -> list[list[Span]]:
        """A line of the table: as many on the terminal as it takes."""
        pen = _Pen()
        for place, start in self._starts.items():
            cell = line.cells[place]
            spare = self._widths[place] - _cell_len(cell)
            at = start + max(spare, 0) if self._columns[place].is_number else start
            is_first = start == self._starts[next(iter(self._starts))]
            pen.put(at, cell, style or (line.style if is_first else ""))
        self._put_text(pen, line.text, self._end, style)
        for text in line.below:
            pen.end_line()
            self._put_text(pen, text, self._second, "")
        return pen.lines

    def _put_text(self, pen: _Pen, text: str, at: int, style: str) -> None:
        """A text, below the line where it has a word that does not fit beside it."""
        words = text.split()
        if at + max(map(_cell_len, words), default=0) > self._width:
            at = min(at, self._second)
        for number, part in enumerate(_wrapped(words, self._width - at)):
            if number:
                pen.end_line()
            pen.put(at, part, style)


class _Pen:
    """Writes texts at their places, on a new line where it is past one."""

    def __init__(self) -> None:
        self.lines: list[list[Span]] = [[]]
        self._reached = 0

    def put(self, at: int, text: str, style: str = "") -> None:
        """Write a text; an empty one is left out."""
        if not text:
            return
        if self._reached > at or self._reached == at > 0:
            self.end_line()
        if at > self._reached:
            self.lines[-1].append((" " * (at - self._reached), ""))
        self.lines[-1].append((text, style))
        self._reached = at + _cell_len(text)

    def end_line(self) -> None:
        """Go on with a new line, unless this one is empty."""
        if self._reached:
            self.lines.append([])
            self._reached = 0


def _wrapped(words: Iterable[str], room: int) -> Iterator[str]:
    """Words in lines of so many cells; a longer word has a line to itself."""
    line, length = "", 0
    for word in words:
        wide = _cell_len(word)
        if line and length + 1 + wide > room:
            yield line
            line, length = "", 0
        line, length = (f"{line} {word}", length + 1 + wide) if line else (word, wide)
    if line:
        yield line
