"""The command and its subcommands.

Heavy parts are imported where they are needed, so that ``regbot version`` and
completion answer at once.
"""

from __future__ import annotations

import click

from regbot.cli.check import check
from regbot.cli.group import Commands
from regbot.cli.history import history, undo
from regbot.cli.in_use import in_use
from regbot.cli.init import init
from regbot.cli.lua_api import lua_api
from regbot.cli.options import options_before
from regbot.cli.plans import apply, plan
from regbot.cli.record import record
from regbot.cli.schema import schema
from regbot.cli.scripts import once, run, server
from regbot.cli.test import test
from regbot.cli.version import completion, version
from regbot.version import __version__


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 success, 1 a script or test failed, 2 wrong usage or config,"
    " 130 interrupted.",
)
@options_before
@click.version_option(__version__, message="regbot %(version)s")
def regbot() -> None:
    """Run Lua scripts that clean up, mirror and check container registries.

    `regbot init REGISTRY` writes a first config, after a look at the registry. Go on with
    `regbot check` and `regbot once --dry-run`; then run the scripts on their schedules with
    `regbot server`. To review changes before they are made, make a plan with `regbot plan`
    and carry it out with `regbot apply`. `regbot undo` puts back what a run deleted.
    `regbot test` tests scripts without a registry.

    The options -c, -v, --logopt, --user-agent and --dry-run may also precede the
    command.
    """


for command in (
    init,
    once,
    server,
    run,
    plan,
    apply,
    history,
    undo,
    check,
    in_use,
    test,
    record,
    schema,
    lua_api,
    version,
    completion,
):
    regbot.add_command(command)
