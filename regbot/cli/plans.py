"""The commands around plans and the journal: plan, apply, history, undo."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from regbot.cli.base import (
    EXIT_CODES,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    ask_on_signals,
    config_option,
    guarded,
    logging_options,
    optional_config_option,
    prepare,
    report_option,
    show,
    write_reports,
)

if TYPE_CHECKING:
    from regbot.config.values import Config
    from regbot.journal.journal import Journal


@click.command()
@config_option
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where the plan goes; standard output when not given.",
)
@report_option
@logging_options
def plan(**options: Any) -> None:  # noqa: ANN401 - click's options
    """Simulate every script once and keep the result, for `regbot apply`.

    Nothing is changed. With -o the plan goes to a file, and a table to standard
    output.
    """
    guarded(lambda: _plan(**options))


def _plan(**options: Any) -> int:  # noqa: ANN401
    from regbot.plan.carrying import planned_from
    from regbot.plan.planfile import Plan, plan_text, write_plan
    from regbot.report.terminal import print_table
    from regbot.run.bot import assemble

    config, settings, log = prepare(options, dry_run=True, evidence=True)
    work_dir = config.defaults.work_dir
    with assemble(config, settings, options["config_path"], log) as bot:
        ask_on_signals(bot.stop.ask)
        ended = bot.run_once()
        failed = {result.script for result in ended.results if result.status != "done"}
        kept = [outcome for outcome in bot.outcomes if outcome.script not in failed]
        found = Plan(time.time(), config.fingerprint, tuple(planned_from(kept)))
        if options["output"] is not None:
            write_plan(found, options["output"], work_dir)
        write_reports(bot, "plan", ended.results, options["reports"])
        if options["output"] is None:
            click.echo(plan_text(found, work_dir), nl=False)
        else:
            show(partial(print_table, bot.outcomes))
    return EXIT_CODES[ended.status]


@click.command()
@click.argument("plan_file", metavar="PLAN.json")
@config_option
@report_option
@logging_options
def apply(**options: Any) -> None:  # noqa: ANN401
    """Do exactly what a plan says.

    Before each delete the tag is looked at again: one that moved since is skipped
    with a warning, one that is gone is done. What failed can be tried by applying
    the same plan again.
    """
    guarded(lambda: _apply(**options))


def _apply(**options: Any) -> int:  # noqa: ANN401
    from regbot.plan.planfile import read_plan
    from regbot.report.terminal import print_table
    from regbot.run.bot import assemble

    config, settings, log = prepare(options)
    with assemble(config, settings, options["config_path"], log) as bot:
        ask_on_signals(bot.stop.ask)
        stores = bot.stores()
        found = read_plan(
            options["plan_file"],
            work_dir=config.defaults.work_dir,
            blob_of=lambda source, digest, size: lambda: stores.open(source).blob(digest, size),
        )
        if found.fingerprint != config.fingerprint:
            text = "warning: the config or its scripts changed since the plan was made"
            click.echo(text, err=True)
        with _progress(len(found.actions)) as advance:
            ended = bot.apply(found.actions, advance)
        if bot.stop.asked:
            click.echo("stopped; apply the plan again to go on", err=True)
        write_reports(bot, "apply", [], options["reports"])
        show(partial(print_table, bot.outcomes))
    return EXIT_CODES[ended.status]


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on standard error where that is a terminal; gives what moves it on."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("applying", total=total)
        yield lambda: bar.advance(task)


@click.command()
@click.argument("run", required=False)
@optional_config_option
def history(run: str | None, config_path: str | None) -> None:
    """Show the runs that changed something, or what one RUN did."""
    guarded(lambda: _history(run, config_path))


def _history(run: str | None, config_path: str | None) -> int:
    from regbot.cli.base import read
    from regbot.cli.history_page import print_actions, print_runs

    with _journal(read(config_path)) as journal:
        if run is None:
            show(partial(print_runs, journal.runs()))
        else:
            show(partial(print_actions, journal.actions(journal.run(run).id)))
    return EXIT_OK


@click.command()
@click.argument("run")
@click.option(
    "--tag", "tags", multiple=True, metavar="TAG", help="Put back only this one; several allowed."
)
@optional_config_option
@logging_options
def undo(**options: Any) -> None:  # noqa: ANN401
    """Put back the tags and manifests that a RUN deleted.

    Their blobs have to be there still: what the registry's garbage collection took
    is said, and can't be put back. A tag that has another digest by now stays.
    """
    guarded(lambda: _undo(**options))


def _undo(**options: Any) -> int:  # noqa: ANN401
    from regbot.cli.history_page import print_undone
    from regbot.run.bot import assemble

    config, settings, log = prepare(options)
    with (
        assemble(config, settings, options["config_path"] or "", log) as bot,
        _journal(config) as journal,
    ):
        ask_on_signals(bot.stop.ask)
        undone = bot.undo(journal, options["run"], options["tags"])
        show(partial(print_undone, undone))
    failed = any(one.status == "failed" for one in undone)
    if failed:
        return EXIT_FAILED
    return EXIT_INTERRUPTED if bot.stop.asked else EXIT_OK


@contextmanager
def _journal(config: Config) -> Iterator[Journal]:
    from regbot.journal.journal import Journal, default_state

    with Journal(config.defaults.state or default_state()) as journal:
        yield journal
