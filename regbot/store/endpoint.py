"""Where one repository of a registry is spoken to: paths, scopes, next addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit, urlunsplit

from regbot.errors import ConnectionFailed, Malformed
from regbot.http.exchange import Body, Exchange, Request, Response, Scope
from regbot.http.hosts import HostSettings
from regbot.oci.reference import Reference

OK = frozenset({200})
PULL = ("pull",)
PUSH = ("pull", "push")
DELETE = ("pull", "delete")

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Ask:
    """A request within a repository; the fields beside ``path`` are Request's.

    ``path`` is below the repository, such as ``tags/list``, or an absolute URL
    that the registry handed out.
    """

    method: str
    path: str
    expect: frozenset[int] = OK
    actions: tuple[str, ...] = PULL
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    length: int | None = None
    mirrors: bool = False
    retry: bool = True
    also: tuple[Scope, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its whole body; ``url`` is where it came from."""

    body: bytes
    headers: Mapping[str, str]
    url: str


def fetch(send: Callable[[], Response], limit: int) -> Answer:
    """Ask and read the whole body; asked again when the body breaks off.

    Raises as Exchange.send and Response.read do.
    """
    tries = _TRIES
    while True:
        tries -= 1
        with send() as response:
            try:
                return Answer(response.read(limit), response.headers, response.url)
            except ConnectionFailed as error:
                if not tries or not error.retry:
                    raise


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One repository of one registry. ``urgent``: every request is."""

    exchange: Exchange
    reference: Reference
    urgent: bool = False

    @property
    def settings(self) -> HostSettings:
        """The settings of the registry."""
        return self.exchange.host(self.reference.registry)

    def send(self, ask: Ask) -> Response:
        """Send it with the scopes its actions need. Raises as Exchange.send does."""
        own = Scope("repository", self.reference.repository, ask.actions)
        absolute = "://" in ask.path
        request = Request(
            ask.method,
            ask.path if absolute else f"/v2/{self.reference.repository}/{ask.path}",
            ask.expect,
            scopes=(own, *ask.also),
            headers=ask.headers,
            body=ask.body,
            length=ask.length,
            mirrors=ask.mirrors and not absolute,
            retry=ask.retry,
            urgent=self.urgent,
        )
        return self.exchange.send(self.reference.registry, request)


def joined(base: str, target: str, what: str) -> str:
    """An address as a registry gave it, made absolute. Raises Malformed."""
    try:
        return urljoin(base, target)
    except ValueError:
        raise Malformed(f"{what}: the registry gave an address that can't be read") from None


def location_of(response: Response, what: str) -> str:
    """The absolute URL of an upload's next step. Raises Malformed without one.

    It may be relative, have a query, and be another one on each step
    (distribution spec, "Pushing blobs").
    """
    location = response.headers.get("Location", "")
    if not location:
        raise Malformed(f"{what}: the registry gave no Location to upload to")
    return joined(response.url, location, what)


def with_query(url: str, query: str) -> str:
    """The URL with one more ``key=value`` in its query, the rest as it was."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=f"{parts.query}&{query}" if parts.query else query))
