"""A config as the rest of regbot uses it: checked, complete and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from regbot.errors import ConfigError
from regbot.http.hosts import ClientSettings
from regbot.plan.guard import Guard


@dataclass(frozen=True, slots=True)
class Defaults:
    """Settings for all scripts. Times are in seconds, sizes in bytes; None means not set.

    ``parallel`` is how many scripts run at once; 0 and 1 both mean one after the other.
    An empty ``timezone`` is the machine's own. If ``state`` is None, the journal is in
    the system's folder for such data.
    """

    parallel: int
    interval: float | None
    schedule: str | None
    timeout: float | None
    skip_docker_config: bool
    user_agent: str
    blob_limit: int
    timezone: str
    memory: int
    env: tuple[str, ...]
    lua_path: tuple[Path, ...]
    work_dir: Path
    guard: Guard
    state: Path | None
    journal_keep: float


@dataclass(frozen=True, slots=True)
class Script:
    """A script with the defaults filled in: schedule or interval, never both.

    ``text`` is Lua source; ``chunk_name`` is its name in Lua's errors and ``line``
    where it begins in the YAML (1 for a file of its own). ``place`` is the
    ``file:line:column`` of the script in the config.
    """

    name: str
    text: bytes
    chunk_name: str
    line: int
    schedule: str | None
    interval: float | None
    timeout: float | None
    args: Mapping[str, object]
    enabled: bool
    env: tuple[str, ...]
    memory: int
    lua_path: tuple[Path, ...]
    work_dir: Path
    timezone: str
    guard: Guard = Guard()
    place: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """A whole config. ``warnings`` have the form of a ConfigError's problems.

    ``fingerprint`` is a digest of the file and of the scripts it names.
    """

    client: ClientSettings
    defaults: Defaults
    scripts: tuple[Script, ...]
    warnings: tuple[str, ...] = ()
    fingerprint: str = ""

    def one_off(self, name: str, text: bytes, arguments: Mapping[str, object]) -> Script:
        """A script that is not in the config, with the config's defaults."""
        defaults = self.defaults
        return Script(
            name=name,
            text=text,
            chunk_name=name,
            line=1,
            schedule=None,
            interval=None,
            timeout=defaults.timeout,
            args=arguments,
            enabled=True,
            env=defaults.env,
            memory=defaults.memory,
            lua_path=defaults.lua_path,
            work_dir=defaults.work_dir,
            timezone=defaults.timezone,
            guard=defaults.guard,
        )

    def require_schedules(self) -> None:
        """Raise a ConfigError that names every enabled script without a schedule.

        Also if no script is enabled, because a server would have nothing to run.
        """
        problems = [
            f"{script.place}: script {script.name!r} has neither schedule nor interval"
            " (add one here or in defaults, or use regbot once)"
            for script in self.scripts
            if script.enabled and script.schedule is None and script.interval is None
        ]
        if problems:
            raise ConfigError(problems)
        if not any(script.enabled for script in self.scripts):
            raise ConfigError(
                ["no script is enabled, so there is nothing to run (add one under scripts)"]
            )
