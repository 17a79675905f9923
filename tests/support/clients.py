"""A client of registries as the program has it, but quick to try again."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from regbot.events import Emit, Event, Message
from regbot.http.cutting import Timeouts
from regbot.http.hosts import ClientSettings, HostSettings
from regbot.http.pacing import Patience
from regbot.http.transport import Transport
from regbot.oci.manifest import DEFAULT_BLOB_LIMIT
from regbot.oci.reference import Reference
from regbot.stopping import Clock, Stop
from regbot.store.remote import RemoteStore


def quick(event: threading.Event, seconds: float) -> bool:
    """A Sleep of a hundredth of the time."""
    return event.wait(seconds / 100)


QUICK = Patience(tries=4, first=0.001, longest=0.01)


class Client:
    """Opens stores of one registry. ``settings`` are fields of its HostSettings.

    ``more`` are other hosts, such as mirrors.
    No docker config and no certs.d of this machine is looked at.
    """

    def __init__(
        self,
        host: str,
        *,
        stop: Stop | None = None,
        blob_limit: int = DEFAULT_BLOB_LIMIT,
        more: tuple[HostSettings, ...] = (),
        timeouts: Timeouts = Timeouts(),  # noqa: B008
        clock: Clock = time.monotonic,
        **settings: Any,
    ) -> None:
        self.host = host
        self.events: list[Event] = []
        self.stop = stop or Stop(sleep=quick)
        own = HostSettings(host, **{"tls": "disabled", **settings})
        self._transport = Transport(
            ClientSettings((own, *more), use_docker_config=False, blob_limit=blob_limit),
            emit=self.events.append,
            clock=clock,
            environ={"HOME": "/nonexistent"},
            patience=QUICK,
            timeouts=timeouts,
            certificates=Path("/nonexistent"),
        )
        self.exchange = self._transport.bind(self.stop)

    def store(self, repository: str = "team/app", **options: Any) -> RemoteStore:
        """A repository of the registry; ``options`` are RemoteStore's."""
        reference = Reference("registry", self.host, repository)
        usual = {"emit": self.events.append, "stop": self.stop, "bind": self.bound}
        return RemoteStore(self.exchange, reference, **{**usual, **options})

    def bound(self, stop: Stop, emit: Emit | None = None) -> Any:
        """Another exchange over the same connections."""
        return self._transport.bind(stop, emit)

    def said(self, level: str = "") -> list[str]:
        """The texts of the messages so far."""
        return [
            event.text
            for event in self.events
            if isinstance(event, Message) and level in ("", event.level)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._transport.close()
