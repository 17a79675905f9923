"""The command: the only place where the parts are put together.

Heavy parts are imported where they are needed, so that ``regbot version`` and
completion answer at once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from regbot.errors import ConfigError, UsageError
from regbot.version import __version__

if TYPE_CHECKING:
    from regbot.assembly import Options
    from regbot.config.values import Config

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_LEVELS = ("trace", "debug", "info", "warn", "error")

_config_option = click.option(
    "-c",
    "--config",
    "config_path",
    required=True,
    metavar="FILE",
    help="The YAML config; - reads standard input.",
)


def _run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    return _config_option(_logging_options(command))


def _logging_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--dry-run", is_flag=True, help="Change nothing: record what would be done."),
        click.option(
            "-v",
            "--verbosity",
            type=click.Choice(_LEVELS, case_sensitive=False),
            default="info",
            show_default=True,
            help="The least grave lines to log.",
        ),
        click.option(
            "--logopt",
            "log_options",
            multiple=True,
            metavar="OPT",
            help="'json' logs a JSON object a line instead of logfmt.",
        ),
        click.option(
            "--user-agent", default="", metavar="TEXT", help="User-Agent sent to registries."
        ),
    ):
        command = option(command)
    return command


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all well, 1 a script failed, 2 wrong use or config, 130 interrupted.",
)
def main() -> None:
    """Run Lua scripts that look after container registries.

    Begin with `regbot check -c FILE`, look at `regbot once -c FILE --dry-run`, and
    then leave it to `regbot server -c FILE`.
    """


@main.command()
@_run_options
def once(**options: Any) -> None:  # noqa: ANN401 - click's options
    """Run every enabled script once, then end.

    With --dry-run nothing is changed anywhere, and at the end a table on standard
    output says what would have been done.
    """
    _guarded(lambda: _once(**options))


def _once(**options: Any) -> int:  # noqa: ANN401
    from regbot.assembly import assemble

    config, settings = _prepare(options)
    with assemble(config, settings) as bot:
        _ask_on_signals(bot.stop.ask)
        results = bot.run_once()
        if settings.dry_run:
            bot.print_table(sys.stdout)
    return _exit_code([result.status for result in results], stopped=bot.stop.asked)


def _exit_code(statuses: list[str], *, stopped: bool) -> int:
    if "failed" in statuses:
        return EXIT_FAILED
    return EXIT_INTERRUPTED if stopped else EXIT_OK


@main.command()
@_run_options
def server(**options: Any) -> None:  # noqa: ANN401
    """Run scripts when their schedule or interval says so, until stopped.

    SIGTERM and Ctrl-C end the scripts that run and then the server.
    """
    _guarded(lambda: _server(**options))


def _server(**options: Any) -> int:  # noqa: ANN401
    from regbot.assembly import assemble

    config, settings = _prepare(options)
    config.require_schedules()
    with assemble(config, settings) as bot:
        _ask_on_signals(bot.stop.ask)
        bot.serve()
    return EXIT_OK


@main.command()
@click.argument("file", required=False, metavar="[FILE.lua]")
@click.option("-e", "--execute", "text", metavar="TEXT", help="Run this Lua text instead.")
@click.option(
    "-c", "--config", "config_path", metavar="FILE", help="A config for creds and defaults."
)
@click.option(
    "--arg",
    "arguments",
    multiple=True,
    metavar="KEY=VALUE",
    help="A value for the table args; numbers, true and false are such.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what the script returns as JSON.")
@_logging_options
def run(**options: Any) -> None:  # noqa: ANN401
    r"""Run one Lua script that stands in no config.

    \b
    regbot run -e 'tag.delete("registry.example.org/app:old")' --dry-run
    regbot run report.lua --arg repo=registry.example.org/app --json
    """
    _guarded(lambda: _run(**options))


def _run(**options: Any) -> int:  # noqa: ANN401
    from regbot.assembly import assemble
    from regbot.oneoff import arguments_of, result_of, text_of

    name, text = text_of(options["file"], options["text"])
    arguments = arguments_of(options["arguments"])
    config, settings = _prepare(options)
    with assemble(config, settings) as bot:
        _ask_on_signals(bot.stop.ask)
        result = bot.run(config.one_off(name, text, arguments))
        if settings.dry_run and not options["as_json"]:
            bot.print_table(sys.stdout)
    if result.status == "ok" and options["as_json"]:
        click.echo(result_of(result.value))
    return _exit_code([result.status], stopped=bot.stop.asked)


@main.command()
@_config_option
def check(config_path: str) -> None:
    """Find every mistake of a config, each with its place and what to do."""
    _guarded(lambda: _check(config_path))


def _check(config_path: str) -> int:
    config = _read(config_path)
    count = len(config.scripts)
    click.echo(f"{config_path}: good, {count} script{'' if count == 1 else 's'}")
    return EXIT_OK


@main.command("lua-api")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "luals"]),
    default="text",
    show_default=True,
    help="luals is a meta file that gives editors completion and types.",
)
def lua_api(form: str) -> None:
    """Print what a script can call."""
    from regbot.lua import pages
    from regbot.lua.api.catalogue import BINDINGS
    from regbot.lua.values import SHAPES

    page = {
        "text": lambda: pages.terminal(BINDINGS),
        "markdown": lambda: pages.markdown(BINDINGS, SHAPES),
        "luals": lambda: pages.meta(BINDINGS, SHAPES),
    }
    click.echo(page[form](), nl=False)


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"regbot {__version__}")


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    For bash: eval "$(regbot completion bash)" in ~/.bashrc.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(main, {}, "regbot", "_REGBOT_COMPLETE").source())


def _prepare(options: dict[str, Any]) -> tuple[Config, Options]:
    from regbot.assembly import Options

    unknown = [option for option in options["log_options"] if option not in ("json", "text")]
    if unknown:
        raise UsageError(f"--logopt {unknown[0]}: known is json")
    settings = Options(
        dry_run=options["dry_run"],
        level=options["verbosity"],
        json_log="json" in options["log_options"],
        user_agent=options["user_agent"],
    )
    return _read(options["config_path"]), settings


def _read(config_path: str | None) -> Config:
    from regbot.config.load import load_config, read_config

    if config_path is None:
        return load_config("{}", filename="", environ=os.environ, base=Path.cwd())
    config = read_config(config_path, environ=os.environ, stdin=sys.stdin.buffer)
    for warning in config.warnings:
        click.echo(f"warning: {warning}", err=True)
    return config


def _ask_on_signals(ask: Callable[[], None]) -> None:
    """End in order on the first signal, at once on the second."""

    def end(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, _leave)
        ask()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    os._exit(EXIT_INTERRUPTED)


def _guarded(work: Callable[[], int]) -> NoReturn:
    try:
        sys.exit(work())
    except ConfigError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
    except UsageError as error:
        click.echo(str(error), err=True)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    sys.exit(EXIT_USAGE)


if __name__ == "__main__":
    main()
