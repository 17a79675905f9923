"""Shows the results of a run: reports, tables, and the summary with the way back."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from regbot.cli.output import note, show

if TYPE_CHECKING:
    from regbot.cli.options import Settings
    from regbot.config.values import Config
    from regbot.events import Ending, Level, RunEnded
    from regbot.report.model import Kind, Row
    from regbot.run.bot import Bot, Ended


def write_reports(bot: Bot, kind: Kind, ended: Ended, paths: Sequence[Path]) -> None:
    """Write the requested reports, and show a summary on a terminal.

    Call it before anything is printed, so that a closed pipe doesn't prevent it.
    """
    if not paths:
        return
    from regbot.report import files, terminal

    report = bot.report(kind, ended.results)
    files.write_reports(report, paths)
    if sys.stdout and sys.stdout.isatty():
        show(partial(terminal.print_summary, report))


def rows_of(bot: Bot) -> list[Row]:
    """The rows of a table of all actions so far."""
    from regbot.report.build import row_of

    now = time.time()
    return [row_of(outcome, now) for outcome in bot.outcomes]


def show_end(
    bot: Bot,
    ended: Ended,
    settings: Settings,
    *,
    table: Sequence[Row] | None = None,
    then: Sequence[str] = (),
) -> None:
    """Show the summary, below a table if there is one, and what is left behind.

    ``then`` says what the user can do next; how to undo the run is added.
    """
    from regbot.report.summary import summary

    run = ended.run
    text = summary(
        bot.outcomes,
        ended.results,
        seconds=run.seconds,
        dry_run=run.dry_run,
        then=(*then, *_way_back(bot, run)),
    )
    if table is not None:
        from regbot.report.terminal import print_table

        show(partial(print_table, table, text))
    if settings.log_format == "json" or table is None:
        tell_ending(text, settings, ended.status, run.id)
    tell_left_behind(run, bot.config, bot.config_path, settings)


def _way_back(bot: Bot, run: RunEnded) -> Sequence[str]:
    """How to undo a run that deleted something."""
    from regbot.plan.action import DeleteManifest, DeleteTag
    from regbot.run.commands import undo_command

    deleted = any(
        outcome.status == "done" and isinstance(outcome.action, DeleteTag | DeleteManifest)
        for outcome in bot.outcomes
    )
    undo = undo_command(bot.config, bot.config_path, run.id)
    return [f"undo with: {undo}"] if run.id and deleted else []


def tell_left_behind(run: RunEnded, config: Config, config_path: str, settings: Settings) -> None:
    """Tell which tags are left on a placeholder, and how to restore them."""
    from regbot.run.commands import undo_command

    for tag in run.left_behind:
        text = f"{tag.reference} is left on a placeholder, put {tag.digest} back on it with: "
        text += undo_command(config, config_path, run.id, tag.reference)
        tell(text, settings, "error", run=run.id)


def tell_ending(text: str, settings: Settings, status: Ending, run: str = "") -> None:
    """Tell the summary of a run that ended like this, by its id in the history if it is there."""
    from regbot.report.lines import OF_ENDINGS

    write = _note_folded if settings.log_format == "terminal" else note
    tell(text, settings, OF_ENDINGS[status], write, run)


def _note_folded(text: str) -> None:
    from regbot.report.terminal import print_line

    with suppress(OSError, ValueError):
        print_line(text, sys.stderr)


def tell(
    text: str,
    settings: Settings,
    level: Level = "info",
    write: Callable[[str], None] = note,
    run: str = "",
) -> None:
    """Tell the user something besides the result, as a log line of a run if the log is JSON.

    Else it is told whatever ``-v`` says, but ``-v error`` leaves out what is no error.
    """
    from regbot.cli.logs import make_log
    from regbot.events import Message, in_run

    if settings.log_format == "json":
        in_run(make_log(settings.level, settings.log_format), run)(Message(level, text))
    elif level == "error" or settings.level != "error":
        write(text)
