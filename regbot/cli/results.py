"""What a run came to, as its command shows it: reports and tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from regbot.cli.output import show

if TYPE_CHECKING:
    from regbot.report.model import Kind
    from regbot.run.bot import Bot, Ended


def write_reports(bot: Bot, kind: Kind, ended: Ended, paths: Sequence[Path]) -> None:
    """Write the reports that were asked for, and their summary on a terminal.

    To be called before anything is printed: a closed pipe must not lose them.
    """
    from regbot.report import files, terminal

    if not paths:
        return
    report = bot.report(kind, ended.results)
    files.write_reports(report, paths)
    if sys.stdout and sys.stdout.isatty():
        show(partial(terminal.print_summary, report))


def show_outcomes(bot: Bot, ended: Ended) -> None:
    """Print the table of actions and a line of counts."""
    from regbot.report.terminal import print_table

    show(partial(print_table, bot.outcomes, ended.results))
