"""The group of all commands: exit codes, error messages, options before the command."""

from __future__ import annotations

import errno
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click
from click.core import ParameterSource

from regbot.cli.main import EXIT_INTERRUPTED
from regbot.cli.output import flush, lost, note
from regbot.errors import ConfigError, RegbotError, UsageError

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2

EXIT_CODES: Mapping[str, int] = {
    "done": EXIT_OK,
    "failed": EXIT_FAILED,
    "stopped": EXIT_INTERRUPTED,
}
"""The exit code for each way in which a run ends."""

_ELSEWHERE: Mapping[str, str] = {
    "artifact list": "referrer ls",
    "artifact ls": "referrer ls",
    "artifact tree": "referrer tree",
    "image manifest": "manifest get",
    "registry config": "registry ls",
}
"""Commands of regctl, and what they are called here."""
_OF_WRITING = {errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC}
"""What keeps a help from being written."""
_GIVEN = "regbot.given before the command"


class Commands(click.Group):
    """Runs one command and exits with the code that it returns, or 0 for None.

    Errors become exit codes only here: a RegbotError is one line on standard error, a
    ConfigError one line for each problem.
    """

    def __init__(self, *, sections: Mapping[str, Mapping[str, str]], **settings: Any) -> None:  # noqa: ANN401 - click's
        """``sections`` are the commands as the help lists them, by a title.

        Each name comes with its file in this folder, which has the command under that name.
        """
        super().__init__(**settings)
        self._sections = sections
        self._files = {name: file for named in sections.values() for name, file in named.items()}

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return sorted(self._files)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, from its file."""
        if cmd_name not in self._files:
            return None
        file = import_module(f"{__package__}.{self._files[cmd_name]}")
        command: click.Command = getattr(file, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by what they are for."""
        room = formatter.width - 6 - max(map(len, self._files))
        for title, names in self._sections.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(title):
                formatter.write_dl(
                    [(name, each.get_short_help_str(room)) for name, each in commands if each]
                )

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - click's
        """Read the command line and run the command; a help that can't be written is an error."""
        try:
            return super().main(*args, **extra)
        except OSError as error:
            if error.errno not in _OF_WRITING:
                raise
            note(str(lost(error)))
            sys.exit(EXIT_FAILED)

    def invoke(self, ctx: click.Context) -> None:
        """Run the command."""
        ctx.exit(self._code(ctx))

    def _code(self, ctx: click.Context) -> int:
        try:
            code = super().invoke(ctx)
            flush()
        except ConfigError as error:
            for problem in error.problems:
                note(problem)
            return EXIT_USAGE
        except UsageError as error:
            note(str(error))
            return EXIT_USAGE
        except RegbotError as error:
            note(str(error))
            return EXIT_FAILED
        return code or EXIT_OK

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and pass on the options in front of it."""
        _require_known(self, ctx, args[0])
        name, command, rest = super().resolve_command(ctx, args)
        if name and command and not isinstance(command, Family):
            _pass_on(ctx, name, command)
        return name, command, rest


class Family(click.Group):
    """Commands about one thing, such as those of ``regbot state``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and pass on the options in front of all."""
        _require_known(self, ctx, args[0])
        name, command, rest = super().resolve_command(ctx, args)
        if name and command:
            _pass_on(ctx, name, command)
        return name, command, rest


def _require_known(group: click.Group, ctx: click.Context, name: str) -> None:
    """Raise click's UsageError for a name that is no command, with one that may be meant."""
    if ctx.resilient_parsing or name.startswith("-"):
        return
    if name in group.list_commands(ctx) or group.get_command(ctx, name):
        return
    from difflib import get_close_matches

    near = get_close_matches(name, group.list_commands(ctx), n=1, cutoff=0.5)
    above = ctx.command_path.partition(" ")[2]
    meant = _ELSEWHERE.get(f"{above} {name}", " ".join([above, *near]) if near else "")
    hint = f" Did you mean 'regbot {meant.strip()}'?" if meant else ""
    raise click.UsageError(f"No such command '{name}'.{hint}", ctx)


def _pass_on(ctx: click.Context, name: str, command: click.Command) -> None:
    """Make the options in front of all commands defaults of the one that is called."""
    before: dict[str, Any] = ctx.meta.get(_GIVEN, {})
    known = {parameter.name for parameter in command.params}
    if before.get("dry_run") and "dry_run" not in known:
        raise click.UsageError(f"{name} has no option --dry-run", ctx)
    if before:
        ctx.default_map = {name: before}


def hand_down(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    """The callback of an option before the command: its value becomes the command's default."""
    name = parameter.name or ""
    if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
        ctx.meta.setdefault(_GIVEN, {})[name] = value
