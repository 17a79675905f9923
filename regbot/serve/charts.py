"""The shapes of charts, and the words that say the same. Templates draw them as SVG.

Pure: shapes have the coordinates of the drawing, whose size is that of the chart.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

from regbot.journal.records import RepositoryDay, ScriptRun
from regbot.report.shown import seconds as shown_seconds
from regbot.values import dataclass

SPARK_RUNS = 30
"""Runs in a sparkline, at most."""
_SPARK_HEIGHT = 24.0
_DAYS_HEIGHT = 100.0
_STEP = 10.0
_GAP = 2.0
_LEAST = 0.06
"""Part of the height that the smallest bar has, so that it can be seen."""
_TALLEST = 0.96
"""Part of the height that the highest point of a line has, so that it isn't cut."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar that stands on the bottom of a chart. ``kind`` is its class."""

    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, and lines as the points of a polyline. ``text`` says what they show."""

    width: float
    height: float
    bars: tuple[Bar, ...]
    lines: tuple[str, ...]
    text: str


def sparkline(runs: Sequence[ScriptRun]) -> Chart | None:
    """How long the newest runs took, which come newest first; None if none has ended."""
    ended = [run for run in runs if run.ended is not None][:SPARK_RUNS][::-1]
    if not ended:
        return None
    took = [max(0.0, (run.ended or 0.0) - run.started) for run in ended]
    longest = max(took) or 1.0
    bars = tuple(
        _bar(place, _SPARK_HEIGHT, seconds / longest, run.status)
        for place, (run, seconds) in enumerate(zip(ended, took, strict=True))
    )
    width = SPARK_RUNS * _STEP
    shift = width - len(bars) * _STEP
    moved = tuple(Bar(bar.x + shift, bar.y, bar.width, bar.height, bar.kind) for bar in bars)
    return Chart(width, _SPARK_HEIGHT, moved, (), _spark_text(ended, took))


def _spark_text(ended: Sequence[ScriptRun], took: Sequence[float]) -> str:
    last = f"the last one {shown_seconds(took[-1])}"
    failed = sum(run.status == "failed" for run in ended)
    trouble = f"; {failed} failed" if failed else ""
    if len(ended) == 1:
        return f"One run, which took {shown_seconds(took[0])}{trouble}"
    between = f"took {shown_seconds(min(took))} to {shown_seconds(max(took))}"
    return f"{len(ended)} runs {between}, {last}{trouble}"


def days_chart(days: Sequence[RepositoryDay], first: date, last: date) -> Chart:
    """What was deleted from a repository on each day, as bars, and what stayed, as a line."""
    by_day = {item.day: item for item in days if first <= item.day <= last}
    count = (last - first).days + 1
    dates = [first + timedelta(days=number) for number in range(count)]
    most = max((item.deleted for item in by_day.values()), default=0) or 1
    bars = tuple(
        _bar(place, _DAYS_HEIGHT, by_day[day].deleted / most, "deleted")
        for place, day in enumerate(dates)
        if day in by_day and by_day[day].deleted
    )
    kept = [
        (place, by_day[day].kept or 0)
        for place, day in enumerate(dates)
        if day in by_day and by_day[day].kept is not None
    ]
    return Chart(
        count * _STEP,
        _DAYS_HEIGHT,
        bars,
        _steps(kept, count),
        _days_text(list(by_day.values()), first, last),
    )


def _steps(kept: Sequence[tuple[int, int]], count: int) -> tuple[str, ...]:
    """A line with a step where the number changes, from the first day on which it is known."""
    if not kept:
        return ()
    most = max(number for _, number in kept) or 1
    points: list[str] = []
    for (place, number), (until, _) in pairwise([*kept, (count, 0)]):
        height = _rounded(_DAYS_HEIGHT * (1 - _TALLEST * number / most))
        points += [f"{place * _STEP:g},{height:g}", f"{until * _STEP:g},{height:g}"]
    return (" ".join(points),)


def _days_text(days: Sequence[RepositoryDay], first: date, last: date) -> str:
    """The same as the chart, in a sentence or two."""
    deleted = [item for item in days if item.deleted]
    if not deleted:
        return f"Nothing was deleted from {first} to {last}."
    total = sum(item.deleted for item in deleted)
    busiest = max(deleted, key=lambda item: item.deleted)
    on_days = "on one day" if len(deleted) == 1 else f"on {len(deleted)} days"
    most = "" if len(deleted) == 1 else f", most of them on {busiest.day} ({busiest.deleted})"
    text = f"From {first} to {last}, {total} {_tags(total)} deleted {on_days}{most}."
    kept = [item.kept for item in days if item.kept is not None]
    return f"{text} {kept[-1]} stayed at the end." if kept else text


def _tags(count: int) -> str:
    return "tag was" if count == 1 else "tags were"


def _bar(place: int, most: float, part: float, kind: str) -> Bar:
    height = _rounded(most * max(_LEAST, part))
    return Bar(place * _STEP, _rounded(most - height), _STEP - _GAP, height, kind)


def _rounded(number: float) -> float:
    return round(number, 1)
