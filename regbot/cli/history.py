"""history and undo: lists past runs, and takes back what they deleted."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regbot.cli.group import EXIT_CODES
from regbot.cli.opening import open_bot, read_config
from regbot.cli.options import dry_run_option, optional_config_option, settings_options
from regbot.cli.output import note, show, show_text
from regbot.cli.results import tell_ending
from regbot.errors import NotFound

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
    """List the runs that changed something, or the actions of one RUN."""
    with _journal(read_config(config_path)) as journal:
        if run is None:
            _show_runs(journal.runs())
        else:
            _show_actions(journal.actions(_run(journal, run, config_path).id))


@click.command()
@click.argument("run")
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
    """Put back the tags and manifests that a RUN deleted.

    Without -c, the config of that run is used. If the registry's garbage collection
    has removed blobs of a manifest, they are listed, and the manifest can't be put
    back. A tag that has another digest by now is left alone.
    """
    from regbot.journal.undo import ending
    from regbot.report.summary import undo_summary

    config = read_config(config_path)
    with _journal(config) as journal:
        record = _run(journal, run, config_path)
        if config_path is None:
            config_path = _config_of(record)
            config = read_config(config_path)
        with open_bot(config, config_path, settings, dry_run=dry_run) as bot:
            began = time.monotonic()
            undone = bot.undo(journal, record.id, tags)
            seconds = time.monotonic() - began
        text = undo_summary(undone, seconds=seconds, dry_run=dry_run)
        _show_undone(undone, text)
        if settings.log_format == "json":
            tell_ending(text, settings, ending(undone))
    return EXIT_CODES[ending(undone)]


@contextmanager
def _journal(config: Config) -> Iterator[Journal]:
    """The journal; an empty one for the moment where there is none, since looking makes none."""
    from tempfile import TemporaryDirectory

    from regbot.journal.journal import Journal, default_state

    folder = config.state or default_state()
    with ExitStack() as ending:
        if not folder.exists():
            folder = Path(ending.enter_context(TemporaryDirectory()))
        yield ending.enter_context(Journal(folder))


def _run(journal: Journal, run: str, config_path: str | None) -> RunRecord:
    try:
        return journal.run(run)
    except NotFound as error:
        if config_path is not None:
            raise
        hint = "(if the config sets state, name it with -c)"
        raise NotFound(f"{error} {hint}") from None


def _config_of(record: RunRecord) -> str | None:
    """The config of a run, if its path is known; tells the user which one it is."""
    if not record.config:
        return None
    if not Path(record.config).is_absolute():
        note(f"the run's config, {record.config}, can't be found again (name it with -c)")
        return None
    note(f"using the run's config, {record.config} (-c names another)")
    return record.config


def _show_runs(runs: Sequence[RunRecord]) -> None:
    from regbot.report import shown
    from regbot.units import format_moment

    columns = ("run", "started", "took", "command", "status", "actions", "config")
    rows = [
        (
            run.id,
            format_moment(round(run.started)),
            "" if run.ended is None else shown.seconds(run.ended - run.started),
            run.kind,
            run.status,
            _counts(run),
            run.config,
        )
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


def _show_undone(undone: Sequence[Undone], last_line: str) -> None:
    columns = ("status", "reference", "detail")
    rows = [(item.status, str(item.reference), item.detail) for item in undone]
    _show_table(columns, rows, "there is nothing to put back")
    if undone:
        show_text(last_line)


def _show_table(columns: Sequence[str], rows: Sequence[tuple[str, ...]], empty: str) -> None:
    from regbot.report.terminal import print_rows

    if rows:
        show(lambda stream: print_rows(columns, rows, stream))
    else:
        show_text(empty)
