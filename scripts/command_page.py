"""Prints docs/commands.md: the commands that are made from the functions of scripts.

What stands before the list of commands is in scripts/commands.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from regbot.cli.made.build import command_of
from regbot.cli.made.signature import Signature
from regbot.cli.made.table import FAMILIES, Family, Made

_SHARED = ("-c", "-v", "--logopt", "--user-agent", "--dry-run", "--json", "--format")
"""Options that the page explains once."""


def page(intro: str) -> str:
    """The page, below its beginning."""
    parts = [intro]
    for family in FAMILIES:
        parts.append(f"\n## `{family.name}`\n\n{family.help}\n")
        parts.extend("\n" + "\n".join(_entry(family, made)) + "\n" for made in family.members)
    return "".join(parts)


def _entry(family: Family, made: Made) -> Iterator[str]:
    signature = Signature.of(made)
    command = command_of(family, made)
    yield f"### `regbot {family.name} {made.name}`"
    yield ""
    yield made.doc or signature.binding.doc
    yield ""
    yield "```sh"
    for number, (typed, meaning) in enumerate(made.calls(family.name)):
        yield from ([""] if number else [])
        yield f"# {meaning}"
        yield typed
    yield "```"
    yield ""
    aliases = ", ".join(f"`{alias}`" for alias in made.aliases)
    also = f" (also {aliases})" if aliases else ""
    yield f"`regbot {family.name} {made.name} {signature.usage}`{also} calls `{made.function}`."
    options = [_option(option) for option in command.params if isinstance(option, click.Option)]
    if any(options):
        yield ""
    yield from filter(None, options)


def _option(option: click.Option) -> str:
    if set(option.opts) & set(_SHARED):
        return ""
    names = ", ".join(f"`{name}`" for name in option.opts)
    value = f" {option.metavar}" if option.metavar else ""
    return f"- {names}{value}: {option.help}"


def main() -> None:
    """Print the page."""
    intro = Path(__file__).with_name("commands.md").read_text(encoding="utf-8")
    sys.stdout.write(page(intro))


if __name__ == "__main__":
    main()
