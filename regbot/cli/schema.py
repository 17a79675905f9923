"""schema: what a config may hold, for editors."""

from __future__ import annotations

from typing import Literal

import click

from regbot.cli.output import show

Files = Literal["config", "test"]


@click.command()
@click.option(
    "--for",
    "files",
    type=click.Choice(["config", "test"]),
    default="config",
    show_default=True,
    help="The files it describes: configs, or those of `regbot test`.",
)
def schema(files: Files) -> None:
    """Print a JSON Schema, with which editors complete and check a file.

    Write it to regbot.schema.json in the folder of the config, and begin the config with
    `# yaml-language-server: $schema=regbot.schema.json`. Editors then show most mistakes
    while you type; `regbot check` finds all of them.
    """
    from regbot.config.jsonschema import schema_text

    if files == "test":
        from regbot.testing.schema import Suite

        text = schema_text(Suite, "Tests of regbot")
    else:
        from regbot.config.schema import File

        text = schema_text(File, "Config of regbot")
    show(lambda stream: print(text, end="", file=stream))
