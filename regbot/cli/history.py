"""history and undo: lists past runs, and takes back what they deleted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from regbot.cli.group import EXIT_CODES
from regbot.cli.journals import config_of, journal_at, journal_with
from regbot.cli.opening import open_bot, read_config
from regbot.cli.options import (
    ListedName,
    config_is_named,
    dry_run_option,
    optional_config_option,
    settings_options,
)
from regbot.cli.output import show, show_text
from regbot.cli.results import tell_ending

if TYPE_CHECKING:
    from regbot.cli.options import Settings
    from regbot.journal.records import ActionRecord, RunRecord, ScriptRun
    from regbot.journal.restore import Undone
    from regbot.report.layout import Line
    from regbot.report.model import Row


@click.command()
@click.argument("run", required=False)
@click.option(
    "--all", "with_unchanged", is_flag=True, help="List a server's runs that changed nothing too."
)
@optional_config_option
def history(run: str | None, config_path: str | None, *, with_unchanged: bool) -> None:
    """List past runs, or what one RUN changed.

    \b
    regbot history                         # all runs that changed something
    regbot history --all                   # and all runs of a server
    regbot history 20261128-223131         # the actions of one of them

    A RUN is named by its id or the beginning of it. The last line of a run tells the id.
    """
    config = read_config(config_path)
    if run is None:
        with journal_at(config.state) as journal:
            _show_runs(journal.runs(), journal.script_runs.all() if with_unchanged else ())
    else:
        with journal_with(lambda journal: journal.run(run), config) as (journal, record):
            _show_actions(journal.actions(record.id))


@click.command()
@click.argument("run", type=ListedName("List the runs with: regbot history"))
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="TAG",
    help="Put back only this tag. May be given several times.",
)
@optional_config_option
@dry_run_option
@settings_options
def undo(
    run: str,
    tags: tuple[str, ...],
    config_path: str | None,
    settings: Settings,
    *,
    dry_run: bool,
) -> int:
    """Put back what a RUN deleted: tags and manifests.

    \b
    regbot undo 20261128-223131            # everything that this run deleted
    regbot undo 20261128-223131 --tag v1   # one tag of it
    regbot undo 20261128-223131 --dry-run  # only look what can be put back

    Unless -c names another, the config of that run is used. If the registry's garbage
    collection has removed blobs of a manifest, they are listed, and the manifest can't be
    put back. A tag that has another digest by now is left alone.
    """
    from regbot.journal.undo import ending
    from regbot.report.summary import undo_summary
    from regbot.run.bot import Options

    config = read_config(config_path)
    with journal_with(lambda journal: journal.run(run), config) as (journal, record):
        if not config_is_named():
            config_path = config_of(record.config, config_path, "run")
            config = read_config(config_path)
        with open_bot(config, config_path, settings, Options(dry_run=dry_run)) as bot:
            began = time.monotonic()
            undone = bot.undo(journal, record.id, tags)
            seconds = time.monotonic() - began
        text = undo_summary(undone, seconds=seconds, dry_run=dry_run)
        _show_undone(undone, text)
        if settings.log_format == "json":
            tell_ending(text, settings, ending(undone))
    return EXIT_CODES[ending(undone)]


def _show_runs(runs: Sequence[RunRecord], script_runs: Sequence[ScriptRun] = ()) -> None:
    """Show runs, and the runs of scripts that changed nothing, the newest first."""
    from regbot.report.layout import Column
    from regbot.report.terminal import print_lines

    columns = (
        Column("run"),
        Column("started", left_out=2),
        Column("command", is_name=True),
        Column("status"),
        Column("took", is_number=True),
        Column("config", left_out=1),
    )
    changed = {run.id for run in runs}
    texts: list[tuple[RunRecord | ScriptRun, str]] = [
        *((run, ", ".join(f"{n} {status}" for status, n in run.counts.items())) for run in runs),
        *((run, f"{run.script}: {_why(run)}") for run in script_runs if run.id not in changed),
    ]
    texts.sort(key=lambda listed: (listed[0].started, listed[0].id), reverse=True)
    lines = [_line(run, text) for run, text in texts]
    if lines:
        show(lambda stream: print_lines(columns, lines, stream, title="actions"))
    else:
        show_text("the journal is empty: no run has changed anything")


def _line(run: RunRecord | ScriptRun, text: str) -> Line:
    from regbot.report import shown
    from regbot.report.layout import Line
    from regbot.units import format_moment

    took = "" if run.ended is None else shown.seconds(run.ended - run.started)
    started = format_moment(round(run.started))
    return Line((run.id, started, run.kind, run.status, took, run.config), text)


def _why(run: ScriptRun) -> str:
    """Why a run of a script changed nothing."""
    if run.kind == "plan" and run.plan:
        return f"made the plan {run.plan}"
    return run.error or ("nothing to change" if run.status == "done" else run.status)


def _show_actions(actions: Sequence[ActionRecord]) -> None:
    from regbot.report.model import Row

    rows = [
        Row(
            script=action.script,
            repository=str(action.reference.without_name),
            action=action.verb,
            reference=str(action.reference),
            status=action.status,
            digest=str(action.digest or ""),
            reason=action.reason,
            detail=action.detail,
        )
        for action in actions
    ]
    counts = Counter(action.status for action in actions)
    text = ", ".join(f"{count} {status}" for status, count in counts.items())
    _show_table(rows, text or "this run has no actions")


def _show_undone(undone: Sequence[Undone], last_line: str) -> None:
    from regbot.report.model import Row

    rows = [
        Row(
            script="",
            repository=str(item.reference.without_name),
            action="restore",
            reference=str(item.reference),
            status=item.status,
            digest=str(item.digest or ""),
            detail=item.detail,
        )
        for item in undone
    ]
    _show_table(rows, last_line if undone else "there is nothing to put back")


def _show_table(rows: Sequence[Row], last_line: str) -> None:
    from regbot.report.terminal import print_table

    show(lambda stream: print_table(rows, last_line, stream))
