"""The command and its subcommands.

Heavy parts are imported where they are needed, so that ``regbot version`` and
completion answer at once.
"""

from __future__ import annotations

import click

from regbot.cli.check import check
from regbot.cli.group import Commands
from regbot.cli.history import history, undo
from regbot.cli.lua_api import lua_api
from regbot.cli.options import options_before
from regbot.cli.plans import apply, plan
from regbot.cli.scripts import once, run, server
from regbot.cli.version import completion, version
from regbot.version import __version__


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all well, 1 a script failed, 2 wrong use or config, 130 interrupted.",
)
@options_before
@click.version_option(__version__, message="regbot %(version)s")
def regbot() -> None:
    """Run Lua scripts that look after container registries.

    Begin with `regbot check -c FILE`, look at `regbot once -c FILE --dry-run`, and
    then leave it to `regbot server -c FILE`. Or keep the actions of a dry run with
    `regbot plan`, look at them, and carry out exactly those with `regbot apply`;
    `regbot undo` puts back what a run deleted.

    The options -c, -v, --logopt, --user-agent and --dry-run may stand before the
    command too.
    """


for command in (
    once,
    server,
    run,
    plan,
    apply,
    history,
    undo,
    check,
    lua_api,
    version,
    completion,
):
    regbot.add_command(command)
