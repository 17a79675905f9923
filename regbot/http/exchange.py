"""One HTTP exchange with a registry, as values: what is asked, what comes back.

The stores speak these; ``transport`` sends them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from regbot.http.hosts import HostSettings

OK = frozenset({200})

Body = bytes | Callable[[], Iterable[bytes]]
"""Bytes to send, or a function that gives them from the start for every try."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a token has to allow: ``repository:team/app:pull,push``."""

    kind: str
    name: str
    actions: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}:{','.join(self.actions)}"


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask of a registry.

    ``url`` is a path with query, such as ``/v2/app/tags/list?n=100``, or an absolute
    URL that the registry handed out itself (``Link``, ``Location``). A path is
    put behind the host's path prefix for mirrors and the host itself.
    ``expect`` are the statuses that come back as a Response; any other raises.
    ``length`` is needed with a body that is a function.
    ``mirrors``: a read that mirrors may answer first.
    ``retry`` False: sent once, since sending it twice means something else.
    ``urgent``: sent at once and tried until the exchange's Stop ends it, whatever
    the pace, the back-off and the slots of the host say. For putting back what was
    taken, and for nothing else.
    """

    method: str
    url: str
    expect: frozenset[int] = OK
    scopes: tuple[Scope, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    length: int | None = None
    mirrors: bool = False
    retry: bool = True
    urgent: bool = False


class Response(Protocol):
    """An answer whose body has not been read yet. Use it in a ``with``.

    Header names are looked up without regard to case. A relative Link or
    Location is relative to ``url``.
    """

    @property
    def status(self) -> int:
        """The status code, one of the expected."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; several of one name joined by a comma."""
        ...

    @property
    def url(self) -> str:
        """Where the answer came from, after redirects."""
        ...

    def read(self, limit: int | None = None) -> bytes:
        """The whole body, ``limit`` bytes at most (default: the blobLimit).

        Raises SizeMismatch over the limit and ConnectionFailed when it breaks off
        (fewer bytes than Content-Length said, a broken chunk, a time-out).
        """
        ...

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes. Raises ConnectionFailed when it breaks off."""
        ...

    def close(self) -> None:
        """Give the connection back, whatever was read."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Exchange(Protocol):
    """Sends requests of one run: they end when the run's Stop says so."""

    def send(self, registry: str, request: Request) -> Response:
        """Ask a registry, by its name in references.

        Mirrors, pace, authentication, redirects and retries are dealt with.
        Raises RegistryError, ConnectionFailed, CredentialError, or what Stop gives.
        """
        ...

    def host(self, registry: str) -> HostSettings:
        """The merged settings of a registry."""
        ...

    def challenge(self, registry: str) -> str:
        """The last WWW-Authenticate header of a registry, empty before there was one."""
        ...

    @property
    def blob_limit(self) -> int:
        """Bytes a manifest or config may have."""
        ...
