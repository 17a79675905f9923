"""What the requests to one repository of a registry have in common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from urllib.parse import urljoin, urlsplit, urlunsplit

from regbot.errors import ConnectionFailed, Malformed
from regbot.http.exchange import Exchange, Request, Response, Scope
from regbot.http.hosts import HostSettings
from regbot.oci.reference import Reference

_TRIES = 3


def fetch(send: Callable[[], Response], limit: int) -> tuple[bytes, Response]:
    """Ask and read the whole body; asked again when the body breaks off.

    Gives the body, and the answer it was read from. Raises as Exchange.send and Response.read do.
    """
    tries = _TRIES
    while True:
        tries -= 1
        with send() as response:
            try:
                return response.read(limit), response
            except ConnectionFailed as error:
                if not tries or not error.retry:
                    raise


class Endpoint:
    """One repository of one registry: its paths, and the scopes that its requests need.

    ``urgent``: every request is.
    """

    def __init__(self, exchange: Exchange, reference: Reference, *, urgent: bool = False) -> None:
        self.exchange = exchange
        self.reference = reference
        self.pull = self._scopes("pull")
        self.push = self._scopes("pull", "push")
        self.delete = self._scopes("pull", "delete")
        self._urgent = urgent

    @property
    def settings(self) -> HostSettings:
        """The settings of the registry."""
        return self.exchange.host(self.reference.registry)

    def turn(self) -> AbstractContextManager[None]:
        """Wait for the turn at the repository. Raises as Exchange.turn does."""
        return self.exchange.turn(self.reference.registry, self.reference.repository)

    def path(self, rest: str) -> str:
        """A path below the repository, such as that of ``tags/list``."""
        return f"/v2/{self.reference.repository}/{rest}"

    def send(self, request: Request) -> Response:
        """Send a request to the registry. Raises as Exchange.send does."""
        if self._urgent:
            request = replace(request, urgent=True)
        return self.exchange.send(self.reference.registry, request)

    def _scopes(self, *actions: str) -> tuple[Scope, ...]:
        return (Scope("repository", self.reference.repository, actions),)


def joined(base: str, target: str, what: str) -> str:
    """An address as a registry gave it, made absolute. Raises Malformed."""
    try:
        return urljoin(base, target)
    except ValueError:
        raise Malformed(f"{what}: the registry sent an invalid URL") from None


def location_of(response: Response, what: str) -> str:
    """The absolute URL of an upload's next step. Raises Malformed without one.

    It may be relative, have a query, and be another one on each step
    (distribution spec, "Pushing blobs").
    """
    location = response.headers.get("Location", "")
    if not location:
        raise Malformed(f"{what}: the registry sent no Location for the upload")
    return joined(response.url, location, what)


def with_query(url: str, query: str) -> str:
    """The URL with one more ``key=value`` in its query, the rest as it was."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=f"{parts.query}&{query}" if parts.query else query))
