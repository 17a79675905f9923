"""schedule: lists what a server would run, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING

import click

from regbot.cli.journals import journal_at
from regbot.cli.opening import absolute_path, read_config
from regbot.cli.options import config_option, only_option
from regbot.cli.output import show

if TYPE_CHECKING:
    from datetime import datetime

    from regbot.config.values import Config, Script
    from regbot.run.timetable import Turn


@click.command()
@config_option
@only_option
@click.option(
    "--next",
    "count",
    metavar="N",
    type=click.IntRange(1, 10_000),
    default=10,
    show_default=True,
    help="How many runs to list.",
)
def schedule(config_path: str, only: tuple[str, ...], count: int) -> None:
    """List the next runs of a server, the first one first.

    \b
    regbot schedule                        # the next 10 runs
    regbot schedule --next 30              # the next 30
    regbot schedule --only nightly         # those of one script

    Times are in the time zone of each schedule. Where a script has a jitter, the table has
    both the time that the run is due and the time it begins. An interval is counted from
    the last run in the journal, or else from now.
    """
    from regbot.run.scheduler import utc_now

    config = read_config(config_path).only(only)
    config.require_schedules()
    _show(islice(_turns(config, absolute_path(config_path), utc_now()), count))


def _turns(config: Config, path: str, now: datetime) -> Iterator[tuple[Turn, str]]:
    """The runs from now on by the time they begin, each with what is to be said of it."""
    from regbot.events import ignore
    from regbot.run.service_record import last_due
    from regbot.run.timetable import Timetable, due_rules, turns_from

    with journal_at(config.state) as journal:
        before = last_due(journal, config, path)
    rules = due_rules(config)
    timetable = Timetable(rules, now, ignore, before)
    timetable.advance(now)
    while turn := timetable.take():
        yield turn, "missed, so it runs when the server starts"
    upcoming = {turn.script.name: turn.due for turn in timetable.upcoming}
    following = (turns_from(script, rule, upcoming[script.name]) for script, rule in rules)
    for turn in merge(*following, key=lambda turn: (turn.at, turn.script.name)):
        yield turn, ""


def _show(turns: Iterable[tuple[Turn, str]]) -> None:
    from regbot.report.layout import Column, Line
    from regbot.report.terminal import print_lines

    listed = list(turns)
    has_jitter = any(turn.script.jitter for turn, _ in listed)
    columns = [
        Column("begins"),
        *([Column("due", left_out=2)] if has_jitter else []),
        Column("zone", left_out=1),
        Column("script", is_name=True),
    ]
    lines = [
        Line(
            (
                _shown(turn.at),
                *([_shown(turn.due)] if has_jitter else []),
                str(turn.due.tzinfo),
                turn.script.name,
            ),
            _remark(turn.script, remark),
        )
        for turn, remark in listed
    ]
    show(lambda stream: print_lines(columns, lines, stream, title="remark"))


def _remark(script: Script, remark: str) -> str:
    """What is said of a run, and that it changes nothing if its script needs approval."""
    from regbot.units import format_duration

    if not script.approve:
        return remark
    wait = f"makes a plan that waits {format_duration(script.approve_within)} for approval"
    return f"{remark}; {wait}" if remark else wait


def _shown(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
