"""The command and its subcommands.

Heavy parts are imported where they are needed, so that ``regbot version`` and
completion answer at once.
"""

from __future__ import annotations

import click

from regbot.cli.approve import approve
from regbot.cli.check import check
from regbot.cli.cluster import cancel, units, worker
from regbot.cli.digest import digest
from regbot.cli.group import Commands
from regbot.cli.history import history, undo
from regbot.cli.in_use import in_use
from regbot.cli.init import init
from regbot.cli.lua_api import lua_api
from regbot.cli.made.group import MADE
from regbot.cli.notify import notify
from regbot.cli.options import options_before
from regbot.cli.plans import apply, plan
from regbot.cli.record import record
from regbot.cli.registry import registry
from regbot.cli.schedule import schedule
from regbot.cli.schema import schema
from regbot.cli.scripts import once, run, server
from regbot.cli.show import show_plan
from regbot.cli.state import state
from regbot.cli.sync import sync
from regbot.cli.test import test
from regbot.cli.version import completion, version
from regbot.version import __version__

_SECTIONS = {
    "Run scripts": (once, run, server, schedule),
    "Plan and undo": (plan, show_plan, apply, approve, history, undo),
    "Work with registries": (registry, *MADE, sync, digest),
    "Check and test": (check, test, in_use, notify),
    "Share runs among machines": (worker, units, cancel),
    "Write": (init, record, schema, lua_api),
    "Other": (state, version, completion),
}
"""The commands as the help lists them."""


@click.group(
    cls=Commands,
    sections={
        title: tuple(command.name or "" for command in commands)
        for title, commands in _SECTIONS.items()
    },
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 success, 1 a script or test failed, 2 wrong usage or config,"
    " 130 interrupted.",
)
@options_before
@click.version_option(__version__, message="regbot %(version)s")
def regbot() -> None:
    """Clean up, mirror and check container registries, with rules and Lua scripts.

    \b
    A first clean-up, step by step:
      regbot init registry.example.org   write regbot.yml, after a look there
      regbot check                       look for mistakes in it
      regbot plan                        see what it would delete
      regbot apply PLAN                  delete exactly that
      regbot history                     see what was deleted, and when
      regbot undo RUN                    put it back

    Without -c FILE, the config is the file that $REGBOT_CONFIG names, else regbot.yml in
    this folder. The options -c, -v, --logopt, --user-agent and --dry-run may also stand
    before the command. `regbot COMMAND --help` tells more about each.
    """


for command in (command for commands in _SECTIONS.values() for command in commands):
    regbot.add_command(command)
