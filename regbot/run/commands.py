"""The commands that people are told to run next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from regbot.config.values import Config


def undo_command(config: Config, config_path: str, run: str, tag: str = "") -> str:
    """The command that undoes a run, or restores one of its tags.

    It names the config if that sets the folder of the journal, because the run can't
    be found without it.
    """
    command = ["regbot", "undo", run]
    command += ["--tag", tag] if tag else []
    return shlex.join([*command, *_config(config, config_path)])


def approve_command(config: Config, config_path: str, plan: str) -> str:
    """The command that approves a plan which waits, with the config as for an undo."""
    return shlex.join(["regbot", "approve", plan, *_config(config, config_path)])


def _config(config: Config, path: str) -> list[str]:
    return ["-c", path] if config.state else []
