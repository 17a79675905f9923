"""The door to registries: mirrors -> pace -> login -> redirects -> retry.

A Transport is shared by all threads of a process; ``bind`` ties it to the Stop of
one run.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from regbot.errors import (
    ConnectionFailed,
    CredentialError,
    InvalidValue,
    RequestError,
    ServerFault,
    TooManyRequests,
)
from regbot.events import Emit, Message, ignore
from regbot.http.exchange import Exchange, Request, Response
from regbot.http.hosts import ClientSettings, HostSettings
from regbot.http.mirrors import ordered, owner, scopes_for, url_for
from regbot.http.outgoing import Outgoing
from regbot.http.pacing import Patience, Surroundings, Wait
from regbot.http.peers import Options, Peer, Peers
from regbot.http.sending import Prepared, Sender
from regbot.http.tls import CERTIFICATES
from regbot.http.urls import origin, redacted
from regbot.http.wire import Timeouts
from regbot.oci.manifest import DEFAULT_BLOB_LIMIT
from regbot.stopping import Clock, Stop
from regbot.version import __version__


class Transport:
    """All exchanges of a process with registries.

    ``environ`` is where proxies, docker's files and helpers are looked for;
    ``certificates`` is docker's folder of certificates.
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
            ),
        )
        self._limit = settings.blob_limit or DEFAULT_BLOB_LIMIT

    def bind(self, stop: Stop) -> Exchange:
        """The exchange of one run, which ends when its Stop says so."""
        return _Bound(Sender(self._peers, self._world, stop, self._tries, self._limit))

    def close(self) -> None:
        """Close all connections."""
        self._peers.close()


@dataclass(frozen=True, slots=True)
class _Route:
    """One place a request may go to. ``login`` False: it gets no credentials."""

    peer: Peer
    url: str
    mirror: bool = False
    login: bool = True


@dataclass(frozen=True, slots=True)
class _Bound:
    """A Transport with a Stop; it is an ``exchange.Exchange``."""

    sender: Sender

    @property
    def blob_limit(self) -> int:
        """Bytes a manifest or config may have."""
        return self.sender.limit

    def host(self, registry: str) -> HostSettings:
        """The merged settings of a registry."""
        return self.sender.peers.get(registry).settings

    def challenge(self, registry: str) -> str:
        """The last WWW-Authenticate header of a registry, empty before there was one."""
        return self.sender.peers.get(registry).auth.challenge

    def send(self, registry: str, request: Request) -> Response:
        """Ask a registry; see ``exchange.Exchange``.

        A mirror that fails in any way is passed over. What the upstream says is
        final, unless it can't say anything and there are mirrors left.
        """
        routes = self._routes(registry, request)
        failed: RequestError | None = None
        for route in routes:
            if route.mirror and route.peer.pace.held:
                continue
            try:
                return self._ask(route, request)
            except (RequestError, CredentialError) as error:
                silent = isinstance(error, ConnectionFailed | ServerFault | TooManyRequests)
                if route.mirror:
                    self._passed_over(route, error, down=silent)
                elif silent and isinstance(error, RequestError):
                    failed = error
                else:
                    raise
        raise failed or _not_usable(request, "there is no host to ask")

    def _ask(self, route: _Route, request: Request) -> Response:
        outgoing = Outgoing(
            request.method, route.url, request.headers, request.body, request.length
        )
        scopes = scopes_for(route.peer.settings, request.scopes)
        tries = self.sender.tries if request.retry and not route.mirror else 1
        return self.sender.send(
            route.peer,
            Prepared(outgoing, scopes, request.expect, tries, route.login, request.urgent),
        )

    def _passed_over(self, route: _Route, error: Exception, *, down: bool) -> None:
        if down:
            route.peer.went_down()
        fields = {"mirror": route.peer.settings.name, "error": str(error)}
        self.sender.world.emit(Message("debug", "mirror passed over", fields))

    def _routes(self, registry: str, request: Request) -> list[_Route]:
        """All places that may answer, in the order to ask."""
        upstream = self.sender.peers.get(registry)
        own = upstream.settings
        mirrors = [self.sender.peers.get(x) for x in own.mirrors] if request.mirrors else []
        peers = {x.settings.name: x for x in (*mirrors, upstream)}
        if not request.url.startswith("/"):
            return [_handed_out(upstream, peers, request)]
        hosts = ordered(own, (x.settings for x in mirrors), lambda name: peers[name].is_down)
        return [
            _Route(peers[x.name], url_for(x, request.url, own), mirror=x.name != own.name)
            for x in hosts
        ]


def _handed_out(upstream: Peer, peers: Mapping[str, Peer], request: Request) -> _Route:
    """The place of a URL that a registry handed out: its own, or one of others."""
    try:
        origin(request.url)
    except InvalidValue as error:
        raise _not_usable(request, f"the registry hands out {error}") from None
    host, url = owner([x.settings for x in peers.values()], request.url)
    if host is not None:
        return _Route(peers[host.name], url)
    writes = request.method not in {"GET", "HEAD"}
    if writes and upstream.settings.scheme == "https" and origin(url)[0] == "http":
        raise _not_usable(request, "the registry hands out a plain http URL to write to")
    return _Route(upstream, url, login=False)


def _not_usable(request: Request, why: str) -> ConnectionFailed:
    return ConnectionFailed(why, method=request.method, url=redacted(request.url), retry=False)
