"""Where a server's config comes from, and how a new one takes its place, or is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from regbot.config.values import Config
from regbot.errors import ConfigError, UsageError, text_of
from regbot.events import Emit, Message
from regbot.run.service_events import ConfigRefused
from regbot.run.watch import FileWatch
from regbot.values import dataclass

_OTHER_STATE = (
    "{path}: defaults.state names another place, and a server can't change that"
    " (start the server anew)"
)


@dataclass(frozen=True, slots=True)
class ConfigSource:
    """Where a server's config comes from, to be read again when it changes.

    ``path`` is its absolute path, or ``-`` for standard input. ``read`` raises ConfigError
    with all mistakes. ``watch`` looks at its files, if they are watched.
    """

    path: str
    read: Callable[[], Config]
    watch: FileWatch | None = None


class Reloading:
    """Reads a config again, one time after the other. Threads may share it.

    ``problem`` has the mistakes of the last one if that was refused, one a line.
    """

    def __init__(self, source: ConfigSource, emit: Emit) -> None:
        self.problem = ""
        self._source = source
        self._emit = emit
        self._lock = threading.Lock()

    @property
    def watches(self) -> bool:
        """Whether the files are watched."""
        return self._source.watch is not None

    def has_changed(self) -> bool:
        """Whether the files have changed since they were read, and are no longer written."""
        with self._lock:
            return self._source.watch is not None and self._source.watch.look()

    def attempt(self, in_force: Config, take: Callable[[Config], None]) -> bool:
        """Read the config again and ``take`` it; False where it is refused, which is told.

        It is refused with mistakes, and where ``take`` raises.
        """
        with self._lock:
            try:
                config = self._read(in_force)
                take(config)
            except Exception as error:  # noqa: BLE001 - whatever it is, the server goes on
                self._refuse(error, in_force)
                return False
            self.problem = ""
            self._follow(config.files)
            return True

    def _read(self, in_force: Config) -> Config:
        """The config as it is now. Raises ConfigError, and UsageError."""
        path = self._source.path
        if path == "-":
            raise UsageError("standard input can't be read again (name a file after -c)")
        if self._source.watch:
            self._source.watch.read_now()
        config = self._source.read()
        if config.state != in_force.state:
            raise ConfigError([_OTHER_STATE.format(path=path)], config.files)
        return config

    def _refuse(self, error: Exception, in_force: Config) -> None:
        """Tell why a new config is not taken. The files that it names are watched too."""
        mistakes = error if isinstance(error, ConfigError) else ConfigError([text_of(error)])
        self._follow((*in_force.files, *mistakes.files))
        self.problem = str(mistakes)
        for problem in mistakes.problems:
            self._emit(Message("error", f"new config refused: {problem}"))
        self._emit(ConfigRefused(mistakes.problems))

    def _follow(self, files: Iterable[Path]) -> None:
        if self._source.watch:
            self._source.watch.follow((Path(self._source.path), *files))
