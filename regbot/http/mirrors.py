"""Picks who answers a request: a mirror of the registry, or the registry itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import quote, urlsplit, urlunsplit

from regbot.errors import (
    ConnectionFailed,
    CredentialError,
    InvalidValue,
    RequestError,
    ServerFault,
    TooManyRequests,
)
from regbot.events import Emit, Message
from regbot.http.exchange import Request, Response, Scope, Sender
from regbot.http.hosts import HostSettings
from regbot.http.peers import Peer
from regbot.http.urls import authority, origin
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class Route:
    """A host that may answer, and the sender that leads to it."""

    peer: Peer
    sender: Sender


class MirrorSender:
    """Sends the requests for one registry to it or to its mirrors.

    ``strangers`` sends without credentials, to URLs that are of none of these hosts.
    """

    def __init__(
        self, upstream: Route, mirrors: Iterable[Route], strangers: Sender, emit: Emit
    ) -> None:
        self._upstream = upstream.peer.settings
        self._routes = {route.peer.settings.name: route for route in (*mirrors, upstream)}
        self._strangers = strangers
        self._emit = emit

    def send(self, request: Request) -> Response:
        """Send a request, whose URL may still be a path.

        A mirror that fails in any way is passed over. What the registry says is
        final, unless it can't say anything and there are mirrors left.
        """
        if not request.url.startswith("/"):
            return self._handed_out(request)
        if not request.mirrors or len(self._routes) == 1:
            return self._at(request.mirror or self._upstream.name, request)
        failed: RequestError | None = None
        for name in self._order():
            if name == self._upstream.name:
                try:
                    return self._at(name, request)
                except (ConnectionFailed, ServerFault, TooManyRequests) as error:
                    failed = error
            elif not self._routes[name].peer.pace.held:
                try:
                    return self._at(name, replace(request, retry=False))
                except (RequestError, CredentialError) as error:
                    self._passed_over(self._routes[name].peer, error)
        raise failed or _not_usable(request, "there is no host to ask")

    def _at(self, name: str, request: Request) -> Response:
        """Ask one of the hosts for a path."""
        route = self._routes[name]
        settings = route.peer.settings
        url = url_for(settings, request.url, self._upstream)
        scopes = scopes_for(settings, request.scopes)
        return route.sender.send(request.sent_to(url, scopes))

    def _order(self) -> list[str]:
        peers = [route.peer for route in self._routes.values()]
        is_down = {peer.settings.name: peer.is_down for peer in peers}
        return ordered(self._upstream, [peer.settings for peer in peers], is_down)

    def _passed_over(self, mirror: Peer, error: Exception) -> None:
        if isinstance(error, ConnectionFailed | ServerFault | TooManyRequests):
            mirror.went_down()
        fields = {"mirror": mirror.settings.name, "error": str(error)}
        self._emit(Message("debug", "mirror skipped", fields))

    def _handed_out(self, request: Request) -> Response:
        """Send to a URL that a registry handed out: its own, or one of others."""
        try:
            scheme, _, _ = origin(request.url)
        except InvalidValue as error:
            raise _not_usable(request, f"the registry hands out {error}") from None
        for name, route in self._routes.items():
            settings = route.peer.settings
            may_answer = name == self._upstream.name or request.mirrors or request.mirror
            url = own_url(settings, request.url) if may_answer else ""
            if url:
                scopes = scopes_for(settings, request.scopes)
                return route.sender.send(request.sent_to(url, scopes))
        writes = request.method not in {"GET", "HEAD"}
        if writes and scheme == "http" and self._upstream.scheme == "https":
            raise _not_usable(request, "the registry hands out a plain http URL to write to")
        return self._strangers.send(request)


def ordered(
    upstream: HostSettings, hosts: Iterable[HostSettings], is_down: Mapping[str, bool]
) -> list[str]:
    """The names of a registry and its mirrors in the order to ask: lower priority first.

    A mirror comes before the registry of equal priority, and last while it is down.
    """

    def rank(host: HostSettings) -> tuple[bool, int, bool]:
        is_mirror = host.name != upstream.name
        return is_mirror and is_down[host.name], host.priority, not is_mirror

    return [host.name for host in sorted(hosts, key=rank)]


def url_for(host: HostSettings, path: str, upstream: HostSettings) -> str:
    """The URL of a path such as ``/v2/app/tags/list?n=5`` at a host.

    A mirror is told whom it stands for by ``ns``, since it may mirror several.
    """
    prefix, rest = host.path_prefix.strip("/"), path.removeprefix("/v2/")
    if prefix and rest and rest != path and not rest.startswith("_catalog"):
        path = f"/v2/{prefix}/{rest}"
    url = f"{host.scheme}://{host.address}{path}"
    if host.name == upstream.name:
        return url
    return f"{url}{'&' if '?' in path else '?'}ns={quote(upstream.name, safe='')}"


def scopes_for(host: HostSettings, scopes: tuple[Scope, ...]) -> tuple[Scope, ...]:
    """The scopes under the names that repositories have at the host."""
    prefix = host.path_prefix.strip("/")
    if not prefix:
        return scopes
    return tuple(
        replace(scope, name=f"{prefix}/{scope.name}") if scope.kind == "repository" else scope
        for scope in scopes
    )


def own_url(host: HostSettings, url: str) -> str:
    """An absolute URL as one to ask a host for, empty when it is another host's.

    Registries behind a proxy that ends TLS hand out ``http`` URLs of their own; they
    are asked by https all the same.
    """
    parts = urlsplit(url)
    same = authority(parts.netloc, parts.scheme) == authority(host.address, host.scheme)
    if same and parts.scheme == host.scheme:
        return url
    if parts.netloc == host.address and parts.scheme == "http":
        return urlunsplit(parts._replace(scheme=host.scheme))
    return ""


def _not_usable(request: Request, why: str) -> ConnectionFailed:
    return ConnectionFailed(why, method=request.method, url=request.url, retry=False)
