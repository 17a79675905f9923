"""Shows the results of a run: reports, tables, and the command that undoes it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from regbot.cli.output import note, show

if TYPE_CHECKING:
    from regbot.cli.options import Settings
    from regbot.events import Level, RunEnded
    from regbot.report.model import Kind
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


def show_outcomes(bot: Bot, ended: Ended) -> None:
    """Print the table of actions and a line of counts."""
    from regbot.report.terminal import print_table

    show(partial(print_table, bot.outcomes, ended.results))


def tell_way_back(bot: Bot, run: RunEnded, settings: Settings) -> None:
    """Tell how to undo a run that deleted something, and finally what it left behind."""
    from regbot.plan.action import DeleteManifest, DeleteTag

    if run.id and any(
        outcome.status == "done" and isinstance(outcome.action, DeleteTag | DeleteManifest)
        for outcome in bot.outcomes
    ):
        tell(f"undo with: {undo_command(bot, run.id)}", settings)
    tell_left_behind(bot, run, settings)


def tell_left_behind(bot: Bot, run: RunEnded, settings: Settings) -> None:
    """Tell which tags are left on a placeholder, and how to restore them."""
    for tag in run.left_behind:
        text = f"{tag.reference} is left on a placeholder, put {tag.digest} back on it with: "
        tell(text + undo_command(bot, run.id, tag.reference), settings, "error")


def undo_command(bot: Bot, run: str, tag: str = "") -> str:
    """The command that undoes a run, or restores one of its tags.

    It names the config if that sets the folder of the journal, because the run can't
    be found without it.
    """
    command = ["regbot", "undo", run]
    command += ["--tag", tag] if tag else []
    command += ["-c", bot.config_path] if bot.config.state else []
    return shlex.join(command)


def tell(text: str, settings: Settings, level: Level = "info") -> None:
    """Tell the user something besides the result, as a log line if the log is JSON."""
    if settings.log_format == "json":
        from regbot.cli.logs import make_log
        from regbot.events import Message

        make_log(settings.level, settings.log_format)(Message(level, text))
    else:
        note(text)
