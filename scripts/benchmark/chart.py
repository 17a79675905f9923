"""Draws the table as bars: a group for each piece of work, a bar for each program."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from benchmark.results import Row

WIDTH = 860
NAMES = 300
LONGEST = WIDTH - NAMES - 90
BAR = 16
GAP = 14
COLORS = ("#2a6f97", "#89b6cf", "#c9742b", "#7a8b52", "#8c6bb1", "#999999")


def chart(rows: Sequence[Row], delay: float) -> str:
    """The rows of one delay as SVG. The bars of a group share a scale; numbers are seconds."""
    shown = [row for row in rows if row.delay == delay]
    programs = list(dict.fromkeys(row.program for row in shown))
    colors = {name: COLORS[place % len(COLORS)] for place, name in enumerate(programs)}
    drawn = [text(10, 24, f"Seconds at a round trip of {delay:g} ms; shorter is better", size=15)]
    below = 40.0
    for work in dict.fromkeys(row.work for row in shown):
        group = [row for row in shown if row.work == work]
        slowest = max(row.cost.wall for row in group)
        drawn.append(text(10, below + BAR, work, weight="bold"))
        below += BAR + 6
        for row in group:
            length = max(1.0, row.cost.wall / slowest * LONGEST)
            drawn += [
                text(10, below + BAR - 4, row.program),
                (
                    f'<rect x="{NAMES}" y="{below:g}" width="{length:.1f}" height="{BAR - 2}" '
                    f'fill="{colors[row.program]}"/>'
                ),
                text(NAMES + length + 6, below + BAR - 4, f"{row.cost.wall:.2f}"),
            ]
            below += BAR
        below += GAP
    return "\n".join([*head(below), *drawn, "</svg>"]) + "\n"


def head(height: float) -> list[str]:
    """The beginning of the picture."""
    return [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}" '
            'font-family="sans-serif">'
        ),
        '<rect width="100%" height="100%" fill="white"/>',
    ]


def text(x: float, y: float, words: str, *, size: int = 12, weight: str = "normal") -> str:
    """A line of text."""
    place = f'x="{x:g}" y="{y:g}" font-size="{size}" font-weight="{weight}"'
    return f"<text {place}>{escape(words)}</text>"
