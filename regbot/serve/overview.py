"""What the pages show, put together from the service and its journal. No HTTP, no HTML."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from regbot.errors import NotFound
from regbot.events import RunMissed
from regbot.journal.records import RepositoryDay, ScriptRun
from regbot.serve.charts import SPARK_RUNS, Chart, days_chart, sparkline
from regbot.values import dataclass

if TYPE_CHECKING:
    from regbot.config.values import Script
    from regbot.journal.journal import Journal
    from regbot.journal.records import RunStatus
    from regbot.run.cluster.progress import RunProgress
    from regbot.run.service import ScriptState
    from regbot.run.timetable import Turn

_CHARTS = 50
"""Repositories with a chart of their own: those from which most was deleted."""
_LINES = 2000
"""Repositories in the table."""
_FEWEST_DAYS, _MOST_DAYS = 14, 366
_HOW = {
    "server": "by its schedule",
    "asked": "which somebody asked for",
    "plan": "which made a plan",
    "apply": "which applied a plan",
}


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """What the page of scripts shows of one; ``did`` says what its last run did."""

    script: Script
    upcoming: Turn | None
    running: tuple[ScriptRun, ...]
    is_waiting: bool
    last: ScriptRun | None
    did: str
    chart: Chart | None
    missed: RunMissed | None


def script_line(
    state: ScriptState, journal: Journal | None, missed: RunMissed | None
) -> ScriptLine:
    """The line of a script. Raises StorageError."""
    last = state.last
    runs = (
        journal.script_runs.of(last.config, last.script, SPARK_RUNS + len(state.running))
        if journal and last
        else ()
    )
    return ScriptLine(
        state.script,
        state.upcoming,
        state.running,
        state.is_waiting,
        last,
        what_it_did(last) if last else "",
        sparkline(runs),
        missed,
    )


def other_runs(run: ScriptRun, journal: Journal | None) -> list[tuple[ScriptRun, str]]:
    """The newest runs of the same script, each with what it did. Raises StorageError."""
    if not journal or not run.script:
        return []
    runs = journal.script_runs.of(run.config, run.script, SPARK_RUNS)
    return [(other, what_it_did(other)) for other in runs if other.id != run.id]


def what_it_did(run: ScriptRun) -> str:
    """What a run did, in a few words; empty while it is going."""
    if run.summary or run.status == "running":
        return run.summary
    return ", ".join(f"{count} {status}" for status, count in run.counts.items())


def how_it_came(run: ScriptRun) -> str:
    """Why there was a run."""
    return _HOW.get(run.kind, f"regbot {run.kind}")


def undo_command(run: ScriptRun, *, names_config: bool) -> str:
    """The command that takes a run back, with the config by its name alone."""
    is_file = run.config not in ("", "-")
    config = ["-c", config_name(run.config)] if names_config and is_file else []
    return shlex.join(["regbot", "undo", run.id, *config])


def config_name(path: str) -> str:
    """The name of a config without its folder."""
    return "standard input" if path == "-" else Path(path).name


def run_of(journal: Journal, run: str) -> ScriptRun:
    """The run of a script, or that of a command. Raises NotFound and StorageError."""
    try:
        return journal.script_runs.find(run)
    except NotFound:
        record = journal.run(run)
        if record.id != run:
            raise
    return ScriptRun(
        record.id,
        "",
        record.kind,
        record.config,
        record.started,
        ended=record.ended,
        status=record.status,
        counts=record.counts,
    )


def shared_run(progress: RunProgress) -> ScriptRun:
    """A run that workers share, as far as its units tell; it may not be in the journal."""
    statuses: dict[str, RunStatus] = {"": "running", "done": "done", "failed": "failed"}
    return ScriptRun(
        progress.run,
        "",
        progress.kind,
        progress.config,
        progress.made,
        ended=progress.ended,
        status=statuses.get(progress.status, "stopped"),
    )


@dataclass(frozen=True, slots=True)
class RepositoryLine:
    """A repository over time: its ``days``, what was deleted in all, and what is known last.

    ``run`` is the last run that deleted something, on the day ``day``. There is a chart of
    those from which most was deleted.
    """

    repository: str
    days: tuple[RepositoryDay, ...]
    deleted: int
    kept: int | None
    freeable: int | None
    run: str
    day: date
    chart: Chart | None = None


@dataclass(frozen=True, slots=True)
class Repositories:
    """All repositories from ``first`` to ``last``, those from which most was deleted first.

    ``left_out`` counts those that are not among the lines.
    """

    first: date
    last: date
    total: RepositoryLine | None
    lines: tuple[RepositoryLine, ...]
    left_out: int = 0


def repositories(days: Sequence[RepositoryDay], today: date) -> Repositories:
    """The repositories of days, which come by repository."""
    last = max((item.day for item in days), default=today)
    last = max(last, today)
    first = min((item.day for item in days), default=last)
    first = max(last - timedelta(_MOST_DAYS - 1), min(first, last - timedelta(_FEWEST_DAYS - 1)))
    shown = [item for item in days if item.day >= first]
    if not shown:
        return Repositories(first, last, None, ())
    lines = [
        _line(name, tuple(group))
        for name, group in groupby(shown, key=lambda item: item.repository)
    ]
    lines.sort(key=lambda line: (-line.deleted, line.repository))
    return Repositories(
        first,
        last,
        _with_chart(_line("", _added(shown)), first, last),
        tuple(
            _with_chart(line, first, last) if place < _CHARTS else line
            for place, line in enumerate(lines[:_LINES])
        ),
        max(0, len(lines) - _LINES),
    )


def _line(name: str, days: tuple[RepositoryDay, ...]) -> RepositoryLine:
    sizes = [item.freeable for item in days]
    kept = [item.kept for item in days if item.kept is not None]
    return RepositoryLine(
        name,
        days,
        sum(item.deleted for item in days),
        kept[-1] if kept else None,
        None if None in sizes else sum(size or 0 for size in sizes),
        days[-1].run,
        days[-1].day,
    )


def _added(days: Iterable[RepositoryDay]) -> tuple[RepositoryDay, ...]:
    """The days of all repositories together; what they kept is not added up."""
    by_day: dict[date, int] = {}
    for item in days:
        by_day[item.day] = by_day.get(item.day, 0) + item.deleted
    return tuple(RepositoryDay("", day, count) for day, count in sorted(by_day.items()))


def _with_chart(line: RepositoryLine, first: date, last: date) -> RepositoryLine:
    return replace(line, chart=days_chart(line.days, first, last))
