"""All that notifies: a listener of a server or a command, and its end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from regbot.config.values import Config
from regbot.events import Emit, Event, Hearing
from regbot.journal.opening import default_state
from regbot.notify.failing import FailingScripts
from regbot.notify.listening import OF_COMMANDS, OF_SERVERS, RunListener
from regbot.notify.making import Ways
from regbot.notify.notifier import Notifier
from regbot.run.service_events import ConfigReloaded
from regbot.stopping import Stop

_PATIENCE = 15.0
"""Seconds at the end in which what waits may be sent, unless somebody asks to stop."""


class Notifications:
    """Notifies the receivers of a config of what ``hear`` hears; ``emit`` is told of trouble."""

    def __init__(
        self,
        config: Config,
        config_path: str,
        emit: Emit,
        environ: Mapping[str, str],
        *,
        in_server: bool,
    ) -> None:
        """Raises UsageError for a receiver that can't be told in this installation."""
        self._notifier = Notifier(config.notify, emit, environ)
        self._config_path = config_path
        self._in_server = in_server
        failing = FailingScripts(config.state or default_state(), config_path, emit)
        self._listener = RunListener(self._notifier.tell, self._ways(config), failing, time.time)
        kinds = OF_SERVERS | {ConfigReloaded} if in_server else OF_COMMANDS
        self.hear = Hearing(self._hear, kinds)

    def _hear(self, event: Event) -> None:
        if isinstance(event, ConfigReloaded):
            self._notifier.change(event.config.notify)
            self._listener.ways = self._ways(event.config)
        else:
            self._listener.hear(event)

    def _ways(self, config: Config) -> Ways:
        return Ways(config, self._config_path, config.server.url if self._in_server else "")

    @contextmanager
    def until(self, stop: Stop) -> Iterator[None]:
        """Send what still waits at the end of the block, within the grace of ``stop``."""
        try:
            yield
        finally:
            self._notifier.close(stop, _PATIENCE)
