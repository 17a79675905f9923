"""registry: how registries are reached, for all commands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from regbot.cli.group import EXIT_FAILED, EXIT_OK, Family
from regbot.cli.output import note, show, show_text
from regbot.cli.registry_login import login, logout
from regbot.cli.registry_names import RegistryName, registries_file
from regbot.cli.registry_whoami import whoami

if TYPE_CHECKING:
    pass


class RegistryCommands(Family):
    """The commands; ``set`` is made when it is asked for, since its options are the keys."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """The names of the commands, as a person comes to need them."""
        return ["set", *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name."""
        if cmd_name == "set":
            from regbot.cli.registry_set import set_command

            return set_command()
        return super().get_command(ctx, cmd_name)


@click.group(cls=RegistryCommands)
def registry() -> None:
    """Set up registries for all commands, and log in.

    \b
    regbot registry set localhost:5000 --tls disabled
    regbot registry set --repo-auth gcr.io
    regbot registry login registry.example.org
    regbot registry whoami

    What is set holds for every command where the config says nothing. It is kept in
    registries.yml, in $REGBOT_CONFIG_HOME or the system's folder for such files
    (~/.config/regbot). Its keys are those under creds in a config. Logins are kept where
    docker keeps them.
    """


@click.command()
@click.argument("host", type=RegistryName(), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the entries as JSON.")
def ls(host: str | None, *, as_json: bool) -> int:
    """List the registries that were set up, without secrets.

    \b
    regbot registry ls
    regbot registry ls registry.example.org
    """
    from regbot.config.registrychanges import registry_of, written_entries

    path = registries_file()
    entries = [
        shown_entry(entry) for entry in written_entries(path) if host in (None, registry_of(entry))
    ]
    if as_json:
        show_text(json.dumps(entries, indent=2, ensure_ascii=False))
    elif entries:
        _show_entries(entries)
    if not entries:
        note(f"{path}: {f'{host} is not set up' if host else 'no registry is set up'}")
    return EXIT_FAILED if host and not entries else EXIT_OK


@click.command()
@click.argument("host", type=RegistryName())
def rm(host: str) -> int:
    """Forget what was set of a registry.

    \b
    regbot registry rm localhost:5000
    """
    from regbot.config.registrychanges import forget

    path = registries_file()
    if not forget(path, host):
        note(f"{path}: {host} is not set up, so nothing was changed")
        return EXIT_FAILED
    show_text(f"removed {host} from {path}")
    return EXIT_OK


def shown_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry as it is written, with its secrets hidden. Templates are no secrets."""
    from regbot.config.creds import is_secret

    return {
        key: "***" if is_secret(key) and "{{" not in str(value) else value
        for key, value in entry.items()
    }


def _show_entries(entries: list[dict[str, Any]]) -> None:
    from regbot.report.layout import Column, Line
    from regbot.report.terminal import print_lines

    lines = [
        Line(
            (str(entry["registry"]),),
            "; ".join(
                f"{key}: {_short(value)}" for key, value in entry.items() if key != "registry"
            ),
        )
        for entry in entries
    ]
    columns = (Column("registry", is_name=True),)
    show(lambda stream: print_lines(columns, lines, stream, title="settings"))


def _short(value: object) -> str:
    """A value on one line; of several lines the first."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_short(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    first, *others = str(value).splitlines() or [""]
    return f"{first}..." if others else first


for command in (ls, rm, login, logout, whoami):
    registry.add_command(command)
