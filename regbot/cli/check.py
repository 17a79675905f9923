"""check: finds the mistakes in a config and its scripts."""

from __future__ import annotations

import click

from regbot.cli.opening import read_config
from regbot.cli.options import config_option
from regbot.cli.output import show_text
from regbot.cli.reading import script_reader


@click.command()
@config_option
def check(config_path: str) -> None:
    """List every mistake in a config and its scripts.

    \b
    regbot check                           # of regbot.yml in this folder
    regbot check -c other.yml

    Each comes with file, line and column, and with what to do. No script is run, and no
    registry is asked.

    In Lua it finds wrong syntax, names that are not defined, calls with too few arguments and
    unknown options. It only warns, on standard error, of a script that deletes without a
    guard, and of a label that is compared and may be nil.
    """
    config = read_config(config_path, script_reader())
    counts = [_counted(len(config.scripts), "script")]
    if config.warnings:
        counts.insert(0, _counted(len(config.warnings), "warning"))
    show_text(f"{config_path}: no mistakes, {', '.join(counts)}")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
