"""All that notifies: a listener of a server or a command, and its end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from regbot.config.values import Config
from regbot.events import Emit, Hearing
from regbot.journal.journal import default_state
from regbot.notify.failing import FailingScripts
from regbot.notify.listening import OF_COMMANDS, OF_SERVERS, RunListener
from regbot.notify.making import Ways
from regbot.notify.notifier import Notifier
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
        failing = FailingScripts(config.state or default_state(), config_path, emit)
        url = config.server.url if in_server else ""
        listener = RunListener(
            self._notifier.tell, Ways(config, config_path, url), failing, time.time
        )
        self.hear = Hearing(listener.hear, OF_SERVERS if in_server else OF_COMMANDS)

    @contextmanager
    def until(self, stop: Stop) -> Iterator[None]:
        """Send what still waits at the end of the block, within the grace of ``stop``."""
        try:
            yield
        finally:
            self._notifier.close(stop, _PATIENCE)
