"""The registries that commands about them are told, and the file they are set up in."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regbot.cli.options import ListedName
from regbot.errors import InvalidValue, RegbotError, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class RegistryName(ListedName):
    """The name of a registry. It completes to those that were set up."""

    def __init__(self) -> None:
        super().__init__("Write one such as registry.example.org, or docker.io for Docker Hub")

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name as references have it. Raises UsageError."""
        from regbot.oci.reference import parse_registry

        try:
            return str(parse_registry(super().convert(value, param, ctx)))
        except InvalidValue as error:
            raise UsageError(f"{error} (write one such as registry.example.org)") from None

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's
        param: click.Parameter,  # noqa: ARG002 - click's
        incomplete: str,
    ) -> list[CompletionItem]:
        """The registries that were set up."""
        from click.shell_completion import CompletionItem

        from regbot.config.registrychanges import registry_of, written_entries

        path = _path_or_none()
        names: list[str] = []
        with suppress(RegbotError):
            names = [registry_of(entry) for entry in written_entries(path)] if path else []
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def registries_file() -> Path:
    """The file of the registries. Raises UsageError where there is no place for it."""
    path = _path_or_none()
    if path is None:
        raise UsageError("there is no folder for registries.yml (set $REGBOT_CONFIG_HOME or $HOME)")
    return path


def _path_or_none() -> Path | None:
    from regbot.config.registries import registries_path

    return registries_path(os.environ)
