"""Opens what a command works with: config, log and bot."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from regbot.cli.main import leave
from regbot.cli.output import Printing, drop, note
from regbot.errors import UsageError
from regbot.lua.processes import Process, start

if TYPE_CHECKING:
    from regbot.cli.options import Settings
    from regbot.config.values import Config
    from regbot.events import Emit
    from regbot.lua.finding import Reader
    from regbot.run.bot import Bot


def read_config(path: str | None, reader: Reader | None = None) -> Config:
    """Read a config and show its warnings. Without a path, use the defaults.

    ``reader`` reads the scripts in it too.
    """
    from regbot.config import load

    if path is None:
        return load.load_config("{}", filename="", environ=os.environ, base=Path.cwd())
    if path == "-" and not sys.stdin:
        raise UsageError("standard input is closed (name a file after -c)")
    stdin = sys.stdin.buffer if sys.stdin else BytesIO()
    config = load.read_config(path, environ=os.environ, stdin=stdin, reader=reader or load.unread)
    for warning in config.warnings:
        note(f"warning: {warning}")
    return config


@contextmanager
def open_bot(
    config: Config,
    config_path: str | None,
    settings: Settings,
    *listeners: Emit,
    dry_run: bool = False,
    evidence: bool = False,
    whole: bool = False,
    prints: TextIO | None = None,
    start_process: Callable[[], Process] = start,
) -> Iterator[Bot]:
    """Open a bot that logs, and that a signal stops gracefully.

    ``evidence`` is set for a report or plan, ``whole`` where a script that fails is to
    plan nothing. ``prints`` is where scripts print to, by default standard output.
    ``start_process`` gives a script its process.
    """
    from regbot.cli.logs import make_log
    from regbot.events import fan_out
    from regbot.run.bot import Options, assemble

    printing = Printing(prints or sys.stdout)
    emit = fan_out(make_log(settings.level, settings.log_format), printing, *listeners)
    options = Options(dry_run, settings.user_agent, evidence, whole, start_process)
    with assemble(config, options, _absolute(config_path), emit) as bot:
        ask_on_signals(bot.stop.ask)
        yield bot
    printing.check()


def _absolute(path: str | None) -> str:
    """The absolute path of a config; that of standard input is unchanged."""
    return str(Path(path).absolute()) if path and path != "-" else path or ""


def ask_on_signals(ask: Callable[[], None]) -> None:
    """Stop gracefully on the first signal, and immediately on a second Ctrl-C.

    After SIGHUP the terminal is gone, so nothing is written to it any more. SIGHUP is
    ignored if it was ignored before, as under ``nohup``.
    """
    terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]

    def end(number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, leave)
        ask()
        if number == signal.SIGHUP:
            for descriptor in terminals:
                drop(descriptor)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, end)
