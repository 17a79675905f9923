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
    """Print a JSON Schema of configs, for editors.

    \b
    regbot schema > regbot.schema.json
    regbot schema --for test > regbot-test.schema.json

    Write it to regbot.schema.json in the folder of the config, and begin the config with
    `# yaml-language-server: $schema=regbot.schema.json`. Editors then show most mistakes
    while you type; `regbot check` finds all of them.
    """
    text = schema_of(files)
    show(lambda stream: print(text, end="", file=stream))


def schema_of(files: Files) -> str:
    """The schema of some files."""
    from regbot.config.jsonschema import schema_text

    if files == "test":
        from regbot.testing.schema import Suite

        return schema_text(Suite, "Tests of regbot")
    from regbot.config.schema import File

    return schema_text(File, "Config of regbot")
