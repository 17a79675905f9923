"""A config as the rest of regbot uses it: checked, complete and frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from regbot.errors import ConfigError, UsageError
from regbot.http.hosts import ClientSettings, Secret
from regbot.journal.place import State
from regbot.lua.binding import Passed
from regbot.notify.settings import Receiver
from regbot.oci.patterns import Pattern
from regbot.plan.guard import Guard
from regbot.rules.in_use.settings import Command, InUseSettings
from regbot.rules.policy import Policy
from regbot.sync.rules import Sync
from regbot.values import dataclass

if TYPE_CHECKING:
    from regbot.lua.modules import Modules

Misfire = Literal["once", "skip"]
"""What becomes of a run whose time was missed."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function that scripts have, by its name, as a command makes it.

    ``about`` is what was typed to name what it is about, for errors and for the result.
    """

    name: str
    arguments: tuple[Passed, ...]
    about: str = ""


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls that have nothing to do with one another; ``at_once`` of them at a time."""

    calls: tuple[Call, ...]
    at_once: int = 1


Work = Policy | Sync | Calls
"""What a script does that has no text: it keeps to a policy, keeps copies up, or makes calls."""

Overlap = Literal["skip", "queue"]
"""What becomes of a run that is due while the last one is going."""

DEFAULT_MISFIRE_GRACE = 3600.0
DEFAULT_APPROVE_WITHIN = 86400.0
DEFAULT_MEMORY = 256 * 1024 * 1024
DEFAULT_JOURNAL_KEEP = 30 * 86400.0
DEFAULT_READAHEAD = 32
DEFAULT_CACHE_SIZE = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Where manifests and image configs are kept between runs.

    That is a folder of its own in ``folder``; None is the system's folder for such data.
    ``size`` is in bytes, 0 for no cache.
    """

    folder: Path | None = None
    size: int = DEFAULT_CACHE_SIZE


@dataclass(frozen=True, slots=True)
class Repositories:
    """Repositories of a registry: those that a pattern of ``match`` fits, without it all.

    Those that a pattern of ``but`` fits are left out.
    """

    registry: str
    match: tuple[Pattern, ...] = ()
    but: tuple[Pattern, ...] = ()

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names, where the registry need not be asked for them."""
        if not self.match or not all(pattern.is_plain for pattern in self.match):
            return None
        return tuple(filter(self.takes, (pattern.text for pattern in self.match)))

    def takes(self, name: str) -> bool:
        """Whether a repository is among them, by its name in the registry."""
        if any(pattern.fits(name) for pattern in self.but):
            return False
        return not self.match or any(pattern.fits(name) for pattern in self.match)


@dataclass(frozen=True, slots=True)
class Script:
    """A script and its settings, with the defaults filled in.

    ``text`` is Lua source. Lua's errors name the file that it is in, ``chunk_name`` (or the
    script, if empty), and count its lines from ``line``. ``place`` is the
    ``file:line:column`` of the script in the config. It has a schedule or an interval,
    never both; times are in seconds, ``memory`` in bytes. An empty ``timezone`` is the
    machine's. Runs begin up to ``jitter`` after their time, and one that was missed may be
    made up for within ``misfire_grace``. With ``approve`` a server makes plans of it, which
    lapse if nobody approves them for ``approve_within``. With ``work`` it has no text; that of
    a policy is done at each of its ``repositories``. Without ``modules``, each is read when it
    is required.
    """

    name: str = ""
    text: bytes = b""
    work: Work | None = None
    repositories: tuple[Repositories, ...] = ()
    chunk_name: str = ""
    line: int = 1
    place: str = ""
    schedule: str | None = None
    interval: float | None = None
    jitter: float = 0.0
    misfire: Misfire = "once"
    misfire_grace: float = DEFAULT_MISFIRE_GRACE
    overlap: Overlap = "skip"
    approve: bool = False
    approve_within: float = DEFAULT_APPROVE_WITHIN
    timeout: float | None = None
    args: Mapping[str, object] = field(default_factory=dict)
    enabled: bool = True
    env: tuple[str, ...] = ()
    memory: int = DEFAULT_MEMORY
    lua_path: tuple[Path, ...] = ()
    modules: Modules | None = None
    work_dir: Path = Path()
    timezone: str = ""
    guard: Guard = Guard()
    in_use: InUseSettings = InUseSettings()

    @property
    def is_done_by_repository(self) -> bool:
        """Whether it works at one repository after another, and not as a whole."""
        return bool(self.repositories) or self.work is not None


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Who may call a server over HTTP, and by which names.

    With ``token`` one may ask for runs, and approve and apply plans; with ``read_token`` or
    ``token`` one may read. None is a token that the config doesn't set: nobody may ask, and
    everybody may read. An empty one comes of a template that gave nothing: it fits no request.
    ``hosts`` are names in lower case; ``url`` is where people reach the pages, or empty.
    """

    token: Secret | None = None
    read_token: Secret | None = None
    hosts: tuple[str, ...] = ()
    url: str = ""

    @property
    def names(self) -> frozenset[str]:
        """The host names that a request may be for, that of the URL among them."""
        host = urlsplit(self.url).hostname if self.url else None
        return frozenset((*self.hosts, *([host] if host else [])))

    def require_tokens(self) -> None:
        """Raise a ConfigError for a token whose template gave nothing."""
        tokens = {"token": self.token, "readToken": self.read_token}
        problems = [
            f"server.{key} is empty (is the variable or the file of its template empty?)"
            for key, token in tokens.items()
            if token is not None and not token
        ]
        if problems:
            raise ConfigError(problems)


@dataclass(frozen=True, slots=True)
class Config:
    """A whole config.

    ``defaults`` is a script that has the defaults and nothing else. ``parallel`` is how
    many scripts run at once; 0 and 1 both mean one after the other. If ``state`` is None,
    the journal is in the system's folder for such data; ``journal_keep`` is in seconds.
    ``readahead`` is how many tags may be read ahead of a script, 0 for none. ``notify`` are
    those who are told what became of runs.
    ``warnings`` have the form of a ConfigError's problems. ``fingerprint`` is a digest of
    the file, of the scripts it names, and of the modules that were read with it. ``files`` are
    those modules, and those that the file names, for scripts and in templates.
    """

    client: ClientSettings
    defaults: Script = Script()
    scripts: tuple[Script, ...] = ()
    parallel: int = 1
    state: State | None = None
    journal_keep: float = DEFAULT_JOURNAL_KEEP
    readahead: int = DEFAULT_READAHEAD
    cache: CacheSettings = CacheSettings()
    server: ServerSettings = ServerSettings()
    notify: tuple[Receiver, ...] = ()
    warnings: tuple[str, ...] = ()
    fingerprint: str = ""
    files: tuple[Path, ...] = ()

    @property
    def enabled(self) -> tuple[Script, ...]:
        """The scripts that are run."""
        return tuple(script for script in self.scripts if script.enabled)

    @property
    def in_use(self) -> InUseSettings:
        """Where images run by the defaults and all scripts together."""
        settings = self.defaults.in_use
        for script in self.scripts:
            settings = script.in_use.over(settings)
        return settings

    @property
    def names_command(self) -> bool:
        """Whether it names a program to be run."""
        return any(isinstance(source, Command) for source in self.in_use.sources)

    def one_off(self, name: str, text: bytes, arguments: Mapping[str, object]) -> Script:
        """A script that is not in the config, with the config's defaults and no schedule."""
        return replace(
            self.defaults,
            name=name,
            text=text,
            chunk_name=name,
            schedule=None,
            interval=None,
            args=arguments,
        )

    def command(self, name: str, work: Calls | Sync) -> Script:
        """What a person asks for at the prompt, with the config's defaults.

        Files and layout folders may be anywhere: ``workDir`` is a bound for scripts.
        """
        return replace(self.one_off(name, b"", {}), work=work, work_dir=Path("/"))

    def only(self, names: Sequence[str]) -> Config:
        """The same with these scripts alone, enabled or not; without names as it is.

        Raises UsageError for a name that no script has.
        """
        known = [script.name for script in self.scripts]
        for name in names:
            if name not in known:
                from difflib import get_close_matches

                near = get_close_matches(name, known, n=1)
                listed = ", ".join(known) or "none"
                hint = f"did you mean {near[0]}?" if near else f"the config has: {listed}"
                raise UsageError(f"--only {name}: no script has this name ({hint})")
        chosen = (replace(script, enabled=True) for script in self.scripts if script.name in names)
        return replace(self, scripts=tuple(chosen)) if names else self

    def copying_what_is_missing(self) -> Config:
        """The same, whose syncs leave tags alone that their targets have.

        Raises UsageError where a script that would run is no sync.
        """
        scripts = []
        for script in self.scripts:
            if isinstance(script.work, Sync):
                script = replace(script, work=replace(script.work, only_missing=True))
            elif script.enabled:
                text = f"--missing goes with entries under sync, and {script.name!r} is none"
                raise UsageError(f"{text} (choose entries with --only)")
            scripts.append(script)
        return replace(self, scripts=tuple(scripts))

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
        if not self.enabled:
            raise ConfigError(
                ["no script is enabled, so there is nothing to run (add one under scripts)"]
            )
