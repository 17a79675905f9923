"""What all commands share: options, exit codes, signals, errors in one line."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO, TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click

from regbot.errors import ConfigError, RegbotError, UsageError
from regbot.events import Ending

if TYPE_CHECKING:
    from regbot.config.values import Config
    from regbot.events import Emit
    from regbot.report.model import Kind
    from regbot.run.bot import Bot, Options
    from regbot.run.job import RunResult

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_LEVELS = ("trace", "debug", "info", "warn", "error")

Command = Callable[..., Any]

config_option = click.option(
    "-c",
    "--config",
    "config_path",
    required=True,
    metavar="FILE",
    help="The YAML config; - reads standard input.",
)
optional_config_option = click.option(
    "-c", "--config", "config_path", metavar="FILE", help="A config for creds and defaults."
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Change nothing: record what would be done."
)
report_option = click.option(
    "--report",
    "reports",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write a report; .json, .html, .md or .csv. May be given several times.",
)
_LOGGING = (
    click.option(
        "-v",
        "--verbosity",
        type=click.Choice(_LEVELS, case_sensitive=False),
        default="info",
        show_default=True,
        help="Minimum level to log.",
    ),
    click.option(
        "--logopt",
        "log_options",
        multiple=True,
        metavar="OPT",
        help="'json' logs a JSON object a line instead of logfmt.",
    ),
    click.option("--user-agent", default="", metavar="TEXT", help="User-Agent sent to registries."),
)


def logging_options(command: Command) -> Command:
    """Add the options of the log to a command."""
    for option in _LOGGING:
        command = option(command)
    return command


def prepare(
    options: Mapping[str, Any], *, dry_run: bool = False, evidence: bool = False
) -> tuple[Config, Options, Emit]:
    """The config, the settings and the log that a command's options name. Raises UsageError."""
    from regbot.cli.logs import make_log
    from regbot.report.files import check_report_paths
    from regbot.run.bot import Options

    unknown = [option for option in options["log_options"] if option not in ("json", "text")]
    if unknown:
        raise UsageError(f"--logopt {unknown[0]}: known is json")
    reports = options.get("reports", ())
    check_report_paths(reports)
    settings = Options(
        dry_run=dry_run or options.get("dry_run", False),
        user_agent=options["user_agent"],
        evidence=evidence or bool(reports),
    )
    log = make_log(options["verbosity"], "json" if "json" in options["log_options"] else "logfmt")
    return read(options["config_path"]), settings, log


def read(config_path: str | None) -> Config:
    """Read a config and show its warnings; without a name, one with all defaults."""
    from regbot.config.load import load_config, read_config

    if config_path is None:
        return load_config("{}", filename="", environ=os.environ, base=Path.cwd())
    if config_path == "-" and not sys.stdin:
        raise UsageError("standard input is closed (name a file after -c)")
    stdin = sys.stdin.buffer if sys.stdin else BytesIO()
    config = read_config(config_path, environ=os.environ, stdin=stdin)
    for warning in config.warnings:
        click.echo(f"warning: {warning}", err=True)
    return config


def write_reports(
    bot: Bot, kind: Kind, results: Sequence[RunResult], paths: Sequence[Path]
) -> None:
    """Write the reports that were asked for, and their summary on a terminal.

    To be called before anything is printed: a closed pipe must not lose them.
    """
    from regbot.report import files, terminal

    if not paths:
        return
    report = bot.report(kind, results)
    files.write_reports(report, paths)
    if sys.stdout and sys.stdout.isatty():
        terminal.print_summary(report, sys.stdout)


def show(print_to: Callable[[TextIO], None]) -> None:
    """Print a result to standard output, whoever reads it, in whatever encoding."""
    if not sys.stdout:
        return
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    print_to(sys.stdout)


EXIT_CODES: Mapping[Ending, int] = {
    "done": EXIT_OK,
    "failed": EXIT_FAILED,
    "stopped": EXIT_INTERRUPTED,
}


def ask_on_signals(ask: Callable[[], None]) -> None:
    """End in order on the first signal, at once on a second Ctrl-C."""

    def end(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, _leave)
        ask()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    os._exit(EXIT_INTERRUPTED)


def guarded(work: Callable[[], int]) -> NoReturn:
    """Do a command's work and exit; whatever is wrong is said in a line."""
    try:
        code = work()
        _flush()
        sys.exit(code)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
    except UsageError as error:
        click.echo(str(error), err=True)
    except RegbotError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        _drop_output()
        sys.exit(EXIT_FAILED)
    except OSError as error:
        click.echo(f"can't write the result: {error.strerror}", err=True)
        _drop_output()
        sys.exit(EXIT_FAILED)
    sys.exit(EXIT_USAGE)


def _drop_output(descriptor: int = 1) -> None:
    """Nobody takes what is still to be written; say nothing of it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _flush() -> None:
    """Write what is left; a log that nobody reads is no failure, a result is."""
    try:
        if sys.stderr:
            sys.stderr.flush()
    except OSError:
        _drop_output(2)
    if sys.stdout:
        sys.stdout.flush()
