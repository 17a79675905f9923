"""What the handlers of requests see of the server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING

from regbot.events import Emit
from regbot.values import dataclass

if TYPE_CHECKING:
    from regbot.config.values import ServerSettings
    from regbot.run.cluster.units import Units
    from regbot.run.service import Service
    from regbot.serve.live import Live
    from regbot.serve.metrics import Metrics

PLAIN = "text/plain; charset=utf-8"
"""The Content-Type of plain text."""


@dataclass(frozen=True, slots=True)
class Site:
    """A service, and what else its pages are made from.

    ``host`` is the name or number that it listens on. ``now`` gives seconds since 1970.
    ``live`` is what happens now, ``metrics`` counts what has happened. ``units`` are those of
    runs that workers share, where the state is a database. ``ending`` is set when answers
    that go on for long have to end.
    """

    service: Service
    emit: Emit
    host: str
    now: Callable[[], float]
    live: Live
    metrics: Metrics
    units: Units | None = None
    ending: threading.Event = field(default_factory=threading.Event)

    @property
    def settings(self) -> ServerSettings:
        """The settings of the config in force."""
        return self.service.config.server

    @property
    def names(self) -> frozenset[str]:
        """The host names, in lower case, that a request may be for."""
        return self.settings.names | {self.host.lower()}
