"""Options that several commands share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from regbot.cli.group import hand_down
from regbot.cli.output import is_terminal
from regbot.errors import UsageError
from regbot.values import dataclass

if TYPE_CHECKING:
    from regbot.cli.logs import Format
    from regbot.events import Level

_CONFIG_VARIABLE = "REGBOT_CONFIG"
_CONFIG_NAMES = ("regbot.yml", "regbot.yaml")
_LEVELS = ("trace", "debug", "info", "warn", "error")

Command = Callable[..., int | None]


@dataclass(frozen=True, slots=True)
class Settings:
    """The log settings and User-Agent of a command; if empty, the config's is used."""

    level: Level
    log_format: Format
    user_agent: str


_config = partial(click.option, "-c", "--config", "config_path", metavar="FILE")
_dry_run = partial(click.option, "--dry-run", is_flag=True)
_verbosity = partial(
    click.option,
    "-v",
    "--verbosity",
    type=click.Choice(_LEVELS, case_sensitive=False),
    help="Log lines of this level and above.",
)
_log_options = partial(
    click.option,
    "--logopt",
    "log_options",
    multiple=True,
    metavar="OPT",
    help="Log lines as 'json', or as 'text' (logfmt), also on a terminal.",
)
_user_agent = partial(
    click.option, "--user-agent", metavar="TEXT", help="User-Agent header for registries."
)


class ListedName(click.types.StringParamType):
    """The name of something that a command lists; the ``way`` there is told if it is missing."""

    def __init__(self, way: str) -> None:
        self._way = way

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str | None:  # noqa: ARG002 - click's
        """What to do about a missing name."""
        return self._way


def usual_config() -> str | None:
    """The config that is used without ``-c``, if there is one."""
    named = os.environ.get(_CONFIG_VARIABLE)
    return named or next((name for name in _CONFIG_NAMES if os.access(name, os.F_OK)), None)


def _has_config(ctx: click.Context, _option: click.Parameter, path: str | None) -> str | None:
    """The callback of an option for a config that has to be there. Raises UsageError."""
    return path if ctx.resilient_parsing else required_config(path)


def required_config(path: str | None) -> str:
    """The path of a config that has to be there. Raises UsageError without one."""
    if path is None:
        raise UsageError(
            f"there is no config: name one with -c FILE or ${_CONFIG_VARIABLE}, or have a"
            f" {_CONFIG_NAMES[0]} in this folder (regbot init writes one)"
        )
    return path


def config_is_named() -> bool:
    """Whether ``-c`` was given to the current command, also before it."""
    source = click.get_current_context().get_parameter_source("config_path")
    return source is not ParameterSource.DEFAULT


_USUAL = f"[default: ${_CONFIG_VARIABLE}, else ./{_CONFIG_NAMES[0]}]"
config_option = _config(
    default=usual_config,
    callback=_has_config,
    help=f"Config file; - is standard input.  {_USUAL}",
)
optional_config_option = _config(
    default=usual_config,
    help=f"Config file, for credentials and defaults, if there is one.  {_USUAL}",
)
only_option = click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Only this script, even if it is disabled. Repeatable.",
)
missing_option = click.option(
    "--missing", is_flag=True, help="Of syncs, copy only tags that the target lacks."
)
dry_run_option = _dry_run(help="Change nothing, and show what would be done.")


STANDARD_OUTPUT = Path("-")


class OutputPath(click.Path):
    """A file that a command writes at its end; checked to be writable at the start.

    ``or_stdout``: it may be STANDARD_OUTPUT.
    """

    def __init__(self, *, or_stdout: bool = False) -> None:
        super().__init__(path_type=Path)
        self._or_stdout = or_stdout

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """The path. Raises UsageError that names the option."""
        from regbot.files import obstacle

        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if self._or_stdout and path == STANDARD_OUTPUT:
            return path
        why = obstacle(path)
        if why:
            raise UsageError(f"{param.opts[-1] if param else ''} {path}: {why}")
        return path


class ReportPath(OutputPath):
    """A report file, whose suffix names the format."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """The path. Raises UsageError."""
        from regbot.report.files import check_suffix

        try:
            check_suffix(Path(value))
        except UsageError as error:
            raise UsageError(f"--report {error}") from None
        return super().convert(value, param, ctx)


report_option = click.option(
    "--report",
    "reports",
    multiple=True,
    metavar="FILE",
    type=ReportPath(),
    help="Write a report: a .html, .md, .csv or .json file. Repeatable.",
)


def settings_options(command: Command, level: Level = "info") -> Command:
    """Add the log options to a command, as one argument ``settings``; ``level`` is the default."""

    @_verbosity(default=level, show_default=True)
    @_log_options()
    @_user_agent(default="")
    @wraps(command)
    def with_settings(
        verbosity: Level, log_options: Sequence[str], user_agent: str, **others: object
    ) -> int | None:
        settings = Settings(verbosity, _format(log_options), user_agent)
        return command(settings=settings, **others)

    return with_settings


def _format(log_options: Sequence[str]) -> Format:
    for option in log_options:
        if option not in ("json", "text"):
            raise UsageError(f"--logopt {option}: the options are json and text")
    if "json" in log_options:
        return "json"
    return "terminal" if is_terminal(sys.stderr) and not log_options else "logfmt"


def options_before(group: Command) -> Command:
    """Accept the shared options before the command too, as the Go program does."""
    for option in (_user_agent, _log_options, _verbosity, _dry_run, _config):
        group = option(expose_value=False, callback=hand_down, hidden=True)(group)
    return group
