"""history and undo: what past runs did, and how it is taken back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from regbot.cli.group import EXIT_FAILED, EXIT_OK
from regbot.cli.main import EXIT_INTERRUPTED
from regbot.cli.opening import open_bot, read_config
from regbot.cli.options import optional_config_option, settings_options
from regbot.cli.output import show, show_text

if TYPE_CHECKING:
    from regbot.cli.options import Settings
    from regbot.config.values import Config
    from regbot.journal.journal import Journal
    from regbot.journal.records import ActionRecord, RunRecord
    from regbot.journal.restore import Undone


@click.command()
@click.argument("run", required=False)
@optional_config_option
def history(run: str | None, config_path: str | None) -> None:
    """Show the runs that changed something, or what one RUN did."""
    with _journal(read_config(config_path)) as journal:
        if run is None:
            _show_runs(journal.runs())
        else:
            _show_actions(journal.actions(journal.run(run).id))


@click.command()
@click.argument("run")
@click.option(
    "--tag", "tags", multiple=True, metavar="TAG", help="Put back only this one; several allowed."
)
@optional_config_option
@settings_options
def undo(run: str, tags: tuple[str, ...], config_path: str | None, settings: Settings) -> int:
    """Put back the tags and manifests that a RUN deleted.

    Their blobs have to be there still: what the registry's garbage collection has
    taken can't be put back, and is named. A tag that is on another digest by now stays.
    """
    config = read_config(config_path)
    with open_bot(config, config_path, settings) as bot, _journal(config) as journal:
        undone = bot.undo(journal, run, tags)
        _show_undone(undone)
    if any(each.status == "failed" for each in undone):
        return EXIT_FAILED
    return EXIT_INTERRUPTED if bot.stop.asked else EXIT_OK


@contextmanager
def _journal(config: Config) -> Iterator[Journal]:
    from regbot.journal.journal import Journal, default_state

    with Journal(config.defaults.state or default_state()) as journal:
        yield journal


def _show_runs(runs: Sequence[RunRecord]) -> None:
    from regbot.units import format_moment

    columns = ("run", "started", "command", "status", "actions", "config")
    rows = [
        (run.id, format_moment(round(run.started)), run.kind, run.status, _counts(run), run.config)
        for run in runs
    ]
    _show_table(columns, rows, "the journal is empty: no run has changed anything")


def _counts(run: RunRecord) -> str:
    return ", ".join(f"{count} {status}" for status, count in run.counts.items())


def _show_actions(actions: Sequence[ActionRecord]) -> None:
    columns = ("script", "action", "status", "reference", "digest", "reason")
    rows = [
        (
            action.script,
            action.verb,
            action.status,
            str(action.reference),
            str(action.digest or ""),
            "; ".join(part for part in (action.reason, action.detail) if part),
        )
        for action in actions
    ]
    _show_table(columns, rows, "this run has no actions")


def _show_undone(undone: Sequence[Undone]) -> None:
    columns = ("status", "reference", "detail")
    rows = [(each.status, str(each.reference), each.detail) for each in undone]
    _show_table(columns, rows, "there is nothing to put back")


def _show_table(columns: Sequence[str], rows: Sequence[tuple[str, ...]], empty: str) -> None:
    from regbot.report.terminal import print_rows

    if rows:
        show(lambda stream: print_rows(columns, rows, stream))
    else:
        show_text(empty)
