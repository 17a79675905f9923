"""Opens what a command works with: config, log and bot."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from regbot.cli.ending import leave_in_time
from regbot.cli.output import Printing, is_terminal, note
from regbot.cli.signals import ask_on_signals
from regbot.errors import UsageError

if TYPE_CHECKING:
    from regbot.cli.live import Live
    from regbot.cli.logs import Seen
    from regbot.cli.options import Settings
    from regbot.config.values import Config
    from regbot.events import Emit
    from regbot.lua.finding import Reader
    from regbot.notify.notifications import Notifications
    from regbot.run.bot import Bot, Options
    from regbot.run.reloading import ConfigSource
    from regbot.run.service import Service


def read_config(path: str | None, reader: Reader | None = None) -> Config:
    """Read a config and show its warnings. Without a path, use the defaults.

    ``reader`` reads the scripts in it too.
    """
    from regbot.config import load

    if path is None:
        config = load.default_config(os.environ, Path.cwd())
    elif path == "-" and not sys.stdin:
        raise UsageError("standard input is closed (name a file after -c)")
    else:
        stdin = sys.stdin.buffer if sys.stdin else BytesIO()
        config = load.read_config(
            path, environ=os.environ, stdin=stdin, reader=reader or load.unread
        )
    for warning in config.warnings:
        note(f"warning: {warning}")
    return config


@contextmanager
def open_bot(
    config: Config,
    config_path: str | None,
    settings: Settings,
    options: Options | None = None,
    *listeners: Emit,
    prints: TextIO | None = None,
    live: bool = False,
    table: bool = False,
    notify: bool = False,
    command: bool = False,
) -> Iterator[Bot]:
    """Open a bot that logs, and that a signal stops gracefully.

    ``prints`` is where scripts print to, by default standard output. ``live``: on a
    terminal, what the bot does now is shown there, and the log leaves out what that shows.
    ``table``: at the end a table shows each action. ``notify``: receivers are told of its
    runs, unless it is a dry run. ``command``: the log leaves out that a script begins, ends
    and fails, for there is none.
    """
    from regbot.events import fan_out
    from regbot.machine import keep_heaps_small
    from regbot.run.bot import Options, assemble

    keep_heaps_small()
    options = replace(options or Options(), user_agent=settings.user_agent)
    path = absolute_path(config_path)
    with ExitStack() as ending:
        emit = ending.enter_context(
            _listening(settings, *listeners, prints=prints, live=live, table=table, command=command)
        )
        notifications = (
            _notifications(config, path, options, emit) if notify and config.notify else None
        )
        heard = fan_out(emit, notifications.hear) if notifications else emit
        bot = ending.enter_context(assemble(config, options, path, heard))
        if notifications:
            ending.enter_context(notifications.until(bot.stop))
        ask_on_signals(bot.stop.ask)
        yield bot


@contextmanager
def open_service(
    config: Config,
    source: ConfigSource,
    settings: Settings,
    options: Options,
    *listeners: Emit,
    with_reports: bool = False,
    queue_only: bool = False,
) -> Iterator[Service]:
    """Open a server that logs, that SIGHUP reloads, and that a signal stops within its grace.

    Its arguments are those of ``open_bot`` and of ``run.service.open_service``.
    """
    from regbot.events import fan_out
    from regbot.run import service

    options = replace(options, user_agent=settings.user_agent)
    with ExitStack() as ending:
        emit = ending.enter_context(_listening(settings, *listeners, many_runs=True))
        notifications = _notifications(config, source.path, options, emit, in_server=True)
        heard = fan_out(emit, notifications.hear) if notifications else emit
        opened = ending.enter_context(
            service.open_service(
                config,
                options,
                source,
                heard,
                with_reports=with_reports,
                queue_only=queue_only,
            )
        )
        if notifications:
            ending.enter_context(notifications.until(opened.stop))
        ask_on_signals(opened.stop.ask, opened.reload)
        leave_in_time(opened.stop, emit)
        yield opened


def _notifications(
    config: Config, path: str, options: Options, emit: Emit, *, in_server: bool = False
) -> Notifications | None:
    """What notifies receivers. A dry run changes nothing, so it tells nobody either."""
    if options.dry_run:
        return None
    from regbot.notify.notifications import Notifications

    return Notifications(config, path, emit, options.environment, in_server=in_server)


@contextmanager
def _listening(
    settings: Settings,
    *listeners: Emit,
    prints: TextIO | None = None,
    live: bool = False,
    table: bool = False,
    many_runs: bool = False,
    command: bool = False,
) -> Iterator[Emit]:
    """All that hears of events: the log, what shows and prints, and ``listeners``."""
    from regbot.cli.logs import make_log
    from regbot.events import Hearing, Printed, fan_out, plain

    out = prints or sys.stdout
    form = settings.log_format
    shown = _live(live=live and form == "terminal")
    room = shown.screen.above if shown and out and out.isatty() else nullcontext
    printing = Printing(out, room)
    seen: Seen = "no"
    if command and form != "json":
        seen = "command"
    elif shown:
        seen = _seen(out, table=table)
    log = make_log(
        settings.level, form, shown.screen if shown else None, seen=seen, many_runs=many_runs
    )
    try:
        of_prints = Hearing(printing, frozenset({Printed}))
        yield fan_out(log, plain(fan_out(of_prints, *([shown] if shown else []))), *listeners)
    finally:
        if shown:
            shown.close()
    printing.check()


def _live(*, live: bool) -> Live | None:
    """What shows on standard error what the bot does now."""
    if not live:
        return None
    from regbot.cli.live import Live

    return Live(sys.stderr)


def _seen(out: TextIO | None, *, table: bool) -> Seen:
    """What a person sees besides the log. In a pipe or a file nobody looks at the table."""
    return "table" if table and is_terminal(out) else "live"


def absolute_path(path: str | None) -> str:
    """The absolute path of a config; that of standard input is unchanged."""
    return str(Path(path).absolute()) if path and path != "-" else path or ""
