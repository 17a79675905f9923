"""A transport for tests: quick to try again, blind to this machine's own settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regbot.events import Event
from regbot.http.exchange import Exchange, Request, Response, Scope
from regbot.http.hosts import ClientSettings, HostSettings
from regbot.http.pacing import Patience
from regbot.http.transport import Transport
from regbot.stopping import Stop

OK = frozenset({200})
QUICK = Patience(tries=5, first=0.001, longest=0.01)
NOWHERE = Path("/nonexistent")


@dataclass(slots=True)
class Web:
    """An exchange, the transport below it, and the events so far."""

    transport: Transport
    exchange: Exchange
    events: list[Event] = field(default_factory=list)

    def send(self, registry: str, url: str, method: str = "GET", **more: Any) -> Response:
        """Send one request, 200 expected."""
        return self.exchange.send(registry, Request(method, url, **{"expect": OK, **more}))

    def get(self, registry: str, url: str, **more: Any) -> bytes:
        """The body of a GET."""
        with self.send(registry, url, **more) as response:
            return response.read()


class Time:
    """Time that passes when somebody waits, and a note of how long each wait was."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    def wait(self, stop: Stop, seconds: float) -> None:
        stop.check()
        self.waits.append(seconds)
        self.now += seconds


def pull(name: str, *actions: str) -> tuple[Scope, ...]:
    """The scopes to read a repository, or to do more with it."""
    return (Scope("repository", name, actions or ("pull",)),)


def plain(name: str, **settings: Any) -> HostSettings:
    """Settings of a registry without TLS."""
    return HostSettings(name, **{"tls": "disabled", **settings})


@contextmanager
def web(
    *hosts: HostSettings,
    environ: Mapping[str, str] | None = None,
    stop: Stop | None = None,
    client: Mapping[str, Any] | None = None,
    **options: Any,
) -> Iterator[Web]:
    """A transport until the end of the block; ``client`` are fields of ClientSettings."""
    events: list[Event] = []
    known = {"patience": QUICK, "certificates": NOWHERE, "emit": events.append, **options}
    settings = ClientSettings(hosts, **(client or {}))
    own = {"HOME": str(NOWHERE)} if environ is None else environ
    transport = Transport(settings, environ=own, **known)
    try:
        yield Web(transport, transport.bind(stop or Stop()), events)
    finally:
        transport.close()


@contextmanager
def timed(host: str, *, timeout: float = 1000.0, **settings: Any) -> Iterator[tuple[Web, Time]]:
    """A transport for one registry without TLS, and the time that it waits in."""
    time = Time()
    stop = Stop(timeout=timeout, clock=time.clock)
    with web(plain(host, **settings), stop=stop, clock=time.clock, wait=time.wait) as client:
        yield client, time
