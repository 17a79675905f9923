"""once, server and run: the commands that run scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from regbot.cli.cluster import cluster_option, run_in_cluster
from regbot.cli.ending import grace_option
from regbot.cli.group import EXIT_CODES
from regbot.cli.listening import Listening, listen_option
from regbot.cli.opening import absolute_path, open_bot, open_service, read_config
from regbot.cli.options import (
    config_option,
    dry_run_option,
    missing_option,
    only_option,
    optional_config_option,
    report_option,
    settings_options,
)
from regbot.cli.output import show_text
from regbot.cli.reading import compiler
from regbot.cli.results import rows_of, show_end, tell_left_behind, write_reports
from regbot.errors import UsageError
from regbot.lua.processes import started_ahead

if TYPE_CHECKING:
    from regbot.cli.options import Settings
    from regbot.config.values import Config
    from regbot.serve.address import Address

_LARGEST_SCRIPT = 16 * 1024 * 1024


@click.command()
@config_option
@only_option
@dry_run_option
@report_option
@cluster_option
@missing_option
@click.option(
    "--profile", "with_profile", is_flag=True, help="Show on standard error what took the time."
)
@settings_options
def once(
    config_path: str,
    only: tuple[str, ...],
    settings: Settings,
    reports: tuple[Path, ...],
    *,
    dry_run: bool,
    in_cluster: bool,
    missing: bool,
    with_profile: bool,
) -> int:
    """Run every enabled script once.

    \b
    regbot once --dry-run            # change nothing, list what would be done
    regbot once --only nightly       # run this script alone
    regbot once --report done.html   # and write a page on what was done
    regbot once --cluster            # have the workers of a cluster do it

    The last line says what was changed, and how to undo it.

    With --profile, a table shows how long each host was waited for, and the CPU time.
    The waits of requests at the same time are added up.
    """
    from regbot.cli.profile import profiled

    with started_ahead() as take_process, profiled(wanted=with_profile) as profile:
        from regbot.run.bot import Options

        config = read_config(config_path, compiler()).only(only)
        if missing and in_cluster:
            raise UsageError("--missing doesn't go with --cluster (leave one of them out)")
        config = config.copying_what_is_missing() if missing else config
        with open_bot(
            config,
            config_path,
            settings,
            Options(dry_run=dry_run, evidence=bool(reports), start_process=take_process),
            profile,
            live=True,
            notify=True,
        ) as bot:
            ended = run_in_cluster(bot, "once") if in_cluster else bot.run_once()
            write_reports(bot, "once", ended, reports)
            show_end(bot, ended, settings, table=rows_of(bot) if dry_run else None)
    return EXIT_CODES[ended.status]


@click.command()
@config_option
@only_option
@dry_run_option
@listen_option
@grace_option
@click.option("--watch", is_flag=True, help="Read the config again when its files change.")
@click.option(
    "--queue-only", is_flag=True, help="Leave the runs to workers and other servers of a cluster."
)
@settings_options
def server(
    config_path: str,
    only: tuple[str, ...],
    settings: Settings,
    listen: Address | None,
    grace: float,
    *,
    dry_run: bool,
    watch: bool,
    queue_only: bool,
) -> None:
    """Run scripts on their schedules until stopped.

    \b
    regbot server                          # each script when it is due
    regbot server --dry-run                # the same, but nothing is changed
    regbot server --listen 127.0.0.1:8080  # and show pages there

    Every script needs a schedule or an interval in the config.

    SIGTERM and Ctrl-C end the server within --grace: requests under way are finished in
    the first half of it, and no other one begins. The journal says what was done.

    SIGHUP has the config read again, and with --watch a change of its file, or of a file
    that it names, does. A config with mistakes is refused, and the server goes on with the
    one it has. What runs is not disturbed.

    Servers with one config, and with one database as their state, share their runs. Each run
    is divided into units, as for `regbot worker`, and each server does up to `parallel` of
    them at once. With --queue-only a server does none: workers do, on other machines.

    \b
    regbot server --queue-only     # on one or two machines
    regbot worker                  # on as many as you like

    A server that ends, or is killed, leaves its runs to the others.
    """
    from regbot.events import Event, RunEnded, plain
    from regbot.machine import keep_heaps_small
    from regbot.run.bot import Options
    from regbot.run.reloading import ConfigSource
    from regbot.run.watch import FileWatch

    keep_heaps_small()
    if watch and config_path == "-":
        raise UsageError("--watch needs a file: standard input can't be read again")
    if queue_only and dry_run:
        raise UsageError("--queue-only can't be used with --dry-run: no other server knows of that")

    def read() -> Config:
        config = read_config(config_path, compiler()).only(only)
        config.require_schedules()
        config.server.require_tokens()
        return config

    path = absolute_path(config_path)
    files = FileWatch([Path(path)]) if watch else None
    config = read()
    if queue_only:
        from regbot.run.cluster.opening import require_database

        require_database(config.state, "--queue-only")
    if files:
        files.follow([Path(path), *config.files])

    def hear(event: Event) -> None:
        if isinstance(event, RunEnded):
            tell_left_behind(event, config, path, settings)

    listening = Listening(listen)
    with (
        open_service(
            config,
            ConfigSource(path, read, files),
            settings,
            Options(dry_run=dry_run, grace=grace),
            plain(hear),
            *listening.listeners,
            with_reports=listen is not None,
            queue_only=queue_only,
        ) as service,
        listening.serving(service),
    ):
        service.serve()


@click.command()
@click.argument("file", required=False, metavar="[FILE.lua]")
@click.option("-e", "--execute", "text", metavar="TEXT", help="Run this Lua text instead.")
@optional_config_option
@click.option(
    "--arg",
    "pairs",
    multiple=True,
    metavar="KEY=VALUE",
    help="A value for the table args. JSON values keep their type, anything else is text.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what the script returns as JSON.")
@dry_run_option
@report_option
@settings_options
def run(
    file: str | None,
    text: str | None,
    config_path: str | None,
    pairs: tuple[str, ...],
    settings: Settings,
    reports: tuple[Path, ...],
    *,
    as_json: bool,
    dry_run: bool,
) -> int:
    """Run a Lua script that is not in a config.

    \b
    regbot run -e 'tag.delete("registry.example.org/app:old")' --dry-run
    regbot run report.lua --arg repo=registry.example.org/app --json

    The script sees the values of --arg in the table args, and what it returns is printed
    with --json.
    """
    from regbot.run.bot import Options

    name, source = _source(file, text)
    arguments = _arguments(pairs)
    config = read_config(config_path)
    script = config.one_off(name, source, arguments)
    with open_bot(
        config,
        config_path,
        settings,
        Options(dry_run=dry_run, evidence=bool(reports), typed=f"run {file}" if file else ""),
        prints=sys.stderr if as_json else None,
        live=True,
    ) as bot:
        ended = bot.run(script)
        write_reports(bot, "run", ended, reports)
        if as_json and ended.status == "done":
            show_text(_as_json(ended.results[0].value))
        show_end(bot, ended, settings, table=rows_of(bot) if dry_run and not as_json else None)
    return EXIT_CODES[ended.status]


def _source(file: str | None, text: str | None) -> tuple[str, bytes]:
    """The name and source of a script: a file, ``-`` for standard input, or a text."""
    if (file is None) == (text is None):
        raise UsageError("give either FILE.lua or -e TEXT (see regbot run --help)")
    if text is not None:
        return "-e", text.encode("utf-8", "surrogateescape")
    if file == "-":
        return "(standard input)", sys.stdin.buffer.read(_LARGEST_SCRIPT)
    path = Path(str(file))
    try:
        with path.open("rb") as stream:
            return path.name, stream.read(_LARGEST_SCRIPT)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its name is not valid"
        raise UsageError(f"{file}: can't read the script: {why}") from None


def _arguments(pairs: Sequence[str]) -> dict[str, object]:
    """The table of ``key=value`` texts; JSON values keep their type, anything else is text."""
    table: dict[str, object] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise UsageError(f"--arg {pair}: write it as key=value")
        try:
            table[key] = json.loads(value)
        except ValueError:
            table[key] = value
    return table


def _as_json(values: tuple[Any, ...]) -> str:
    """What a script returned: null, one value, or an array of several."""
    value = None if not values else values[0] if len(values) == 1 else list(values)
    return json.dumps(value, ensure_ascii=False)
