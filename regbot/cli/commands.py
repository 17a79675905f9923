"""The command and its subcommands.

A command's file is imported when it is called, and heavy parts where they are needed, so
that each begins at once.
"""

from __future__ import annotations

from collections.abc import Mapping

import click

from regbot.cli.group import Commands
from regbot.cli.options import options_before
from regbot.version import __version__

_FAMILIES = ("tag", "repo", "manifest", "image", "blob", "referrer", "index", "artifact")

SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Run scripts": {
        **dict.fromkeys(("once", "run", "server"), "scripts"),
        "schedule": "schedule",
    },
    "Plan and undo": {
        "plan": "plans",
        "show": "show",
        "apply": "plans",
        "approve": "approve",
        **dict.fromkeys(("history", "undo"), "history"),
    },
    "Work with registries": {
        "registry": "registry",
        **dict.fromkeys(_FAMILIES, "made.group"),
        "sync": "sync",
        "digest": "digest",
    },
    "Check and test": {
        "check": "check",
        "test": "test",
        "in-use": "in_use",
        "notify": "notify",
    },
    "Share runs among machines": dict.fromkeys(("worker", "units", "cancel"), "cluster"),
    "Write": {
        "init": "init",
        "record": "record",
        "schema": "schema",
        "lua-api": "lua_api",
    },
    "Other": {
        "state": "state",
        **dict.fromkeys(("version", "completion"), "version"),
    },
}
"""The commands as the help lists them, each with its file in this folder."""


@click.group(
    cls=Commands,
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 success, 1 a script, command or test failed, 2 wrong usage or"
    " config, 130 interrupted.",
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
