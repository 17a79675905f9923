"""The door to registries: mirrors -> retry -> login -> pace -> redirects -> wire.

Each arrow is a sender that wraps the next one. A Transport is shared by all threads of
a process; ``bind`` ties it to the Stop and the listener of one run.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from regbot.events import Emit, ignore
from regbot.http.cutting import Timeouts
from regbot.http.exchange import Exchange, Request, Response, Sender
from regbot.http.hosts import ClientSettings, HostSettings
from regbot.http.login import LoginSender
from regbot.http.mirrors import MirrorSender, Route
from regbot.http.pacing import Pace, PacedSender, Patience, Surroundings, Wait
from regbot.http.peers import CERTIFICATES, Options, Peer, Peers
from regbot.http.redirects import RedirectSender
from regbot.http.retry import RetrySender
from regbot.http.sharing import Limits
from regbot.http.slots import Slots
from regbot.http.urls import origin
from regbot.stopping import Clock, Stop
from regbot.version import __version__

_LOOKS_AT_STOP = 0.1
"""Seconds after which a run that waits for its turn looks whether it has to end."""


class Transport:
    """All exchanges of a process with registries.

    ``environ`` is where proxies, docker's files and helpers are looked for;
    ``certificates`` is docker's folder of certificates. ``limits`` are shared with other
    processes.
    """

    def __init__(
        self,
        settings: ClientSettings,
        *,
        emit: Emit = ignore,
        clock: Clock = time.monotonic,
        wall: Clock = time.time,
        wait: Wait = Stop.wait,
        chance: Callable[[], float] = random.random,
        environ: Mapping[str, str] | None = None,
        patience: Patience | None = None,
        timeouts: Timeouts | None = None,
        certificates: Path = CERTIFICATES,
        limits: Limits | None = None,
    ) -> None:
        if environ is None:
            environ = settings.environment or os.environ
        self._world = Surroundings(clock, wall, wait, chance, emit)
        self._tries = (patience or Patience()).tries
        self._peers = Peers(
            settings,
            Options(
                self._world,
                environ,
                patience or Patience(),
                timeouts or Timeouts(),
                certificates,
                settings.user_agent or f"regbot/{__version__}",
                limits,
            ),
        )
        self._limit = settings.blob_limit

    def bind(self, stop: Stop, emit: Emit | None = None) -> Exchange:
        """The exchange of one run, which ends when its Stop says so.

        ``emit`` hears of its requests, by default the listener of all; what the runs share,
        such as a login, is told to that one.
        """
        world = replace(self._world, emit=emit) if emit else self._world
        return _Run(self._peers, world=world, stop=stop, tries=self._tries, limit=self._limit)

    def close(self) -> None:
        """Close all connections."""
        self._peers.close()


class _Run:
    """A Transport with a Stop; it is an ``exchange.Exchange``.

    The senders that lead to a host are put together once a run.
    """

    def __init__(
        self, peers: Peers, *, world: Surroundings, stop: Stop, tries: int, limit: int
    ) -> None:
        self._peers = peers
        self._world = world
        self._stop = stop
        self._tries = tries
        self._limit = limit
        self._senders: dict[str, Sender] = {}

    @property
    def blob_limit(self) -> int:
        """Bytes a manifest or config may have."""
        return self._limit

    def host(self, registry: str) -> HostSettings:
        """The merged settings of a registry."""
        return self._peers.get(registry).settings

    def names(self, registry: str) -> tuple[str, ...]:
        """All names by which a registry is known; the first is the one to compare by."""
        return self._peers.names(registry)

    def challenge(self, registry: str) -> str:
        """The last WWW-Authenticate header of a registry, empty before there was one."""
        return self._peers.get(registry).auth.challenge

    @contextmanager
    def turn(self, registry: str, repository: str) -> Iterator[None]:
        """Wait for the turn at a repository; see ``exchange.Exchange``."""
        lock = self._peers.turn(registry, repository)
        while not lock.acquire(timeout=_LOOKS_AT_STOP):
            self._stop.check()
        try:
            yield
        finally:
            lock.release()

    def send(self, registry: str, request: Request) -> Response:
        """Ask a registry; see ``exchange.Exchange``."""
        sender = self._senders.get(registry)
        if sender is None:
            sender = self._senders[registry] = self._to_registry(registry)
        return sender.send(request)

    def _to_registry(self, registry: str) -> Sender:
        upstream = self._peers.get(registry)
        mirrors = [self._peers.get(name) for name in upstream.settings.mirrors]
        return MirrorSender(
            Route(upstream, self._to_host(upstream)),
            [Route(mirror, self._to_host(mirror)) for mirror in mirrors],
            strangers=self._tried(self._paced(upstream, upstream.pace, upstream.slots)),
            emit=self._world.emit,
        )

    def _to_host(self, peer: Peer) -> Sender:
        """Retry, login, pace, redirects, wire."""
        paced = self._paced(peer, peer.pace, peer.slots)
        tokens: dict[str, Sender] = {}

        def to_token_server(url: str) -> Sender:
            _, host, _ = origin(url)
            if host not in tokens:
                tokens[host] = self._tried(self._paced(peer, self._peers.pace(host), None))
            return tokens[host]

        login = LoginSender(
            paced,
            auth=peer.auth,
            keyring=peer.keyring,
            refusals=peer.refusals,
            tokens=to_token_server,
            stop=self._stop,
        )
        return self._tried(login)

    def _tried(self, inner: Sender) -> Sender:
        return RetrySender(inner, tries=self._tries, world=self._world, stop=self._stop)

    def _paced(self, peer: Peer, pace: Pace, slots: Slots | None) -> Sender:
        from regbot.http.wire import WireSender

        wire = WireSender(peer, world=self._world, stop=self._stop, limit=self._limit)
        redirects = RedirectSender(wire)
        return PacedSender(redirects, pace, slots, world=self._world, stop=self._stop)
