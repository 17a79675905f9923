"""worker, units and cancel: the commands for runs that many machines share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from regbot.cli.ending import grace_option, leave_in_time
from regbot.cli.opening import open_bot, read_config
from regbot.cli.options import ListedName, config_option, settings_options
from regbot.cli.output import note, show
from regbot.cli.reading import compiler
from regbot.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from regbot.cli.options import Settings
    from regbot.plan.carrying import Planned
    from regbot.run.bot import Bot, Ended
    from regbot.run.cluster.progress import UnitRecord

cluster_option = click.option(
    "--cluster",
    "in_cluster",
    is_flag=True,
    help="Have the workers of the cluster do it, and wait for them.",
)


def run_in_cluster(bot: Bot, kind: str) -> Ended:
    """Have workers run a bot's scripts once, as the command that is the run's kind."""
    from regbot.run.cluster.opening import open_cluster
    from regbot.run.cluster.runs import run_in

    with open_cluster(bot.config, bot.config_path, "--cluster") as cluster:
        return run_in(cluster, bot, kind)


def apply_in_cluster(bot: Bot, plan: Sequence[Planned], kept_as: str) -> Ended:
    """Have workers carry out a plan, which may be kept under an id."""
    from regbot.run.cluster.opening import open_cluster
    from regbot.run.cluster.runs import apply_in

    with open_cluster(bot.config, bot.config_path, "--cluster") as cluster:
        return apply_in(cluster, bot, plan, kept_as=kept_as)


@click.command()
@config_option
@click.option(
    "--concurrency",
    metavar="N",
    type=click.IntRange(1, 1000),
    default=min(8, 2 * (os.cpu_count() or 1)),
    help="How many units to do at once; by default two for each processor, at most 8.",
)
@grace_option
@settings_options
def worker(config_path: str, settings: Settings, concurrency: int, grace: float) -> None:
    """Do units of runs that others hand out, until stopped.

    \b
    regbot worker                    # on as many machines as you like
    regbot worker --concurrency 16   # 16 units at once

    A run is handed out by `once`, `plan` or `apply` with --cluster, or by a server. It is
    divided into units: a script, with `repositories:` a script at one of them, or a part of
    a plan. All machines need the same config, with a database as their state:

    \b
      defaults:
        state: 'postgresql://regbot@db.example.org/regbot'

    SIGTERM and Ctrl-C end it within --grace; a unit that does not end by then is given
    back, for another worker. One whose worker is killed or cut off is given out again when
    the lease of that worker is over, after some 30 seconds.
    """
    from regbot.events import Message
    from regbot.run.bot import Options
    from regbot.run.cluster.opening import open_worker, require_database

    config = read_config(config_path, compiler())
    require_database(config.state, "regbot worker")
    with (
        open_bot(config, config_path, settings, Options(grace=grace)) as bot,
        open_worker(bot, "regbot worker") as units,
    ):
        leave_in_time(bot.stop, bot.emit)
        text = f"ready for units of {config_path}, {concurrency} at once"
        bot.emit(Message("info", text, {"state": str(config.state)}))
        units.work(bot.stop, concurrency)


@click.command()
@click.argument("run", required=False, default="")
@config_option
def units(run: str, config_path: str) -> None:
    """List the units of runs that workers share.

    \b
    regbot units                          # of all runs that have not ended
    regbot units 20261129-101500-4f2a9c   # of this run, those that ended too

    A unit is waiting, running, done, failed or stopped. The table shows which worker has
    it, the attempt that this is, and the error of the last one.
    """
    from regbot.run.cluster.opening import open_units

    with open_units(read_config(config_path).state, "regbot units") as all_units:
        if run:
            all_units.course(run)
        records = all_units.progress.records(run)
    if not records:
        note("no run is being done by workers (name a RUN to see the units of one that ended)")
        return
    _show(records, with_run=not run)


@click.command()
@click.argument("run", type=ListedName("List the runs with: regbot units"))
@config_option
def cancel(run: str, config_path: str) -> None:
    """End a run that workers share.

    \b
    regbot units                           # which runs there are
    regbot cancel 20261129-101500-4f2a9c   # end this one

    Units that wait are not begun, and those that run are stopped. What was changed by then
    stays so, and `regbot undo` can put it back.
    """
    from regbot.run.cluster.opening import open_units

    with open_units(read_config(config_path).state, "regbot cancel") as all_units:
        count = all_units.cancel(run)
    units_text = "1 unit" if count == 1 else f"{count} units"
    note(f"{units_text} of {run} stopped" if count else f"{run} had ended already")


def _show(records: Sequence[UnitRecord], *, with_run: bool) -> None:
    from regbot.report.layout import Column, Line
    from regbot.report.terminal import print_lines

    columns = [
        *([Column("run", is_name=True)] if with_run else []),
        Column("script", is_name=True),
        Column("unit"),
        Column("repository", is_name=True),
        Column("state"),
        Column("attempt", left_out=2),
        Column("worker", left_out=1),
        Column("took", left_out=3),
    ]
    lines = [
        Line(
            (
                *([record.run] if with_run else []),
                record.script,
                record.kind,
                record.repository,
                record.state,
                str(record.attempt or ""),
                record.worker,
                _took(record),
            ),
            record.error,
        )
        for record in records
    ]
    show(lambda stream: print_lines(columns, lines, stream, title="error"))


def _took(record: UnitRecord) -> str:
    """How long the last attempt took."""
    if record.begun is None or record.ended is None:
        return ""
    return format_duration(max(0.0, round(record.ended - record.begun, 3)))
