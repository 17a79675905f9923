"""A family of commands, each made when it is asked for."""

from __future__ import annotations

import click

from regbot.cli.group import Family as Group
from regbot.cli.made.table import FAMILIES, Family


class FamilyGroup(Group):
    """The commands of a family. Their names are known before any of them is made."""

    def __init__(self, family: Family) -> None:
        first = (next(made.calls(family.name)) for made in family.members)
        examples = "\n".join(typed for typed, _ in first)
        super().__init__(
            family.name,
            help=f"{family.help}\n\n\b\n{examples}",
            short_help=family.help,
        )
        self._family = family

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return [made.name for made in self._family.members]

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Make the command with this name."""
        made = self._family.member(cmd_name)
        if made is None:
            return None
        from regbot.cli.made.build import command_of

        return command_of(self._family, made)


MADE = tuple(map(FamilyGroup, FAMILIES))
"""The families, as commands of regbot."""

tag, repo, manifest, image, blob, referrer, index, artifact = MADE
