"""One exchange with a registry: the request, the answer, and who sends it.

A request keeps its shape from the store to the wire. The senders in between wrap one
another (``transport`` puts them together): each looks after one concern and hands the
request on, with a few fields replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import field
from types import TracebackType
from typing import Protocol, Self

from regbot.errors import ConnectionFailed, SizeMismatch
from regbot.http.hosts import HostSettings
from regbot.redaction import redacted
from regbot.units import format_size
from regbot.values import dataclass

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
    ``mirrors``: a read that mirrors may answer first. ``mirror``: the one mirror, by its
    name, that is to answer instead of the registry.
    ``retry`` False: sent once, since sending it twice means something else.
    ``urgent``: sent at once and tried until the exchange's Stop ends it, whatever
    the pace, the back-off and the slots of the host say. For putting back what was
    taken, and for nothing else.
    ``authorization`` is the header of that name; the login fills it in.
    """

    method: str
    url: str = field(repr=False)
    expect: frozenset[int] = field(default=OK, repr=False)
    scopes: tuple[Scope, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Body | None = field(default=None, repr=False)
    length: int | None = None
    mirrors: bool = False
    mirror: str = ""
    retry: bool = True
    urgent: bool = False
    authorization: str = field(default="", repr=False)

    def sent_to(self, url: str, scopes: tuple[Scope, ...]) -> Request:
        """The same for another URL, and for the scopes that are needed there."""
        return Request(
            self.method,
            url,
            self.expect,
            scopes,
            self.headers,
            self.body,
            self.length,
            self.mirrors,
            self.mirror,
            self.retry,
            self.urgent,
            self.authorization,
        )


class Response:
    """An answer whose body has not been read yet. Use it in a ``with``.

    ``request`` is what it answers, after redirects; ``length`` is how many bytes the body
    has, None when that is not known before its end. Header names are looked up without
    regard to case; several headers of one name come joined by a comma.
    """

    __slots__ = (
        "_closing",
        "_forgotten",
        "_limit",
        "_more",
        "headers",
        "length",
        "request",
        "status",
    )

    def __init__(
        self,
        request: Request,
        status: int,
        headers: Mapping[str, str],
        *,
        more: Callable[[], bytes],
        limit: int,
        closing: list[Callable[[], object]],
        forgotten: Callable[[list[Callable[[], object]]], None],
    ) -> None:
        """``more`` gives the next piece of the body, empty at its end.

        ``limit`` is that of ``read``, in bytes. The ``closing`` calls are made when the
        answer is closed, the last one first, or handed to ``forgotten`` when it never is.
        """
        self.request = request
        self.status = status
        self.headers = headers
        self.length = _length(request, status, headers)
        self._more = more
        self._limit = limit
        self._closing = closing
        self._forgotten = forgotten

    @property
    def url(self) -> str:
        """Where the answer came from; a relative Link or Location is relative to it."""
        return self.request.url

    def hold(self, give_back: Callable[[], object]) -> None:
        """Call this once when the answer was closed or forgotten, and its connection is free."""
        self._closing.insert(0, give_back)

    def read(self, limit: int | None = None) -> bytes:
        """The whole body, ``limit`` bytes at most (default: the blobLimit).

        Raises SizeMismatch over the limit and ConnectionFailed when it breaks off
        (fewer bytes than Content-Length said, a broken chunk, a time-out).
        """
        most = self._limit if limit is None else limit
        chunks: list[bytes] = []
        seen = 0
        for chunk in self.chunks():
            seen += len(chunk)
            if seen > most:
                self.close()
                raise SizeMismatch(
                    f"{self.request.method} {redacted(self.url)}: the answer has more than "
                    f"{format_size(most)}"
                )
            chunks.append(chunk)
        return b"".join(chunks)

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes. Raises ConnectionFailed when it breaks off."""
        length, seen = self.length, 0
        try:
            while length is None or seen < length:
                chunk = self._more()
                if not chunk:
                    break
                seen += len(chunk)
                yield chunk
        finally:
            self.close()
        if length is not None and seen < length:
            raise ConnectionFailed(
                f"the answer broke off after {seen} of {length} bytes",
                method=self.request.method,
                url=self.url,
            )

    def start(self, most: int) -> bytes:
        """The first bytes of the body, about ``most`` as far as they can be had; closes it."""
        chunks: list[bytes] = []
        try:
            while most > 0 and (chunk := self._more()):
                chunks.append(chunk)
                most -= len(chunk)
        except ConnectionFailed:
            pass
        finally:
            self.close()
        return b"".join(chunks)

    def close(self) -> None:
        """Give the connection and the slot back, whatever was read."""
        if self._closing:
            in_turn(self._closing)

    def __del__(self) -> None:
        if self._closing:
            self._forgotten(self._closing)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _length(request: Request, status: int, headers: Mapping[str, str]) -> int | None:
    if request.method == "HEAD" or status in {204, 304}:
        return 0
    if "Content-Encoding" in headers or "Transfer-Encoding" in headers:
        return None
    length = headers.get("Content-Length", "")
    return int(length) if length.isascii() and length.isdigit() else None


def in_turn(calls: list[Callable[[], object]]) -> None:
    """Make and forget all calls, the last one first, even when one of them raises."""
    while calls:
        try:
            calls.pop()()
        except BaseException:
            in_turn(calls)
            raise


class Sender(Protocol):
    """Sends requests for one run, and ends when the run's Stop says so."""

    def send(self, request: Request) -> Response:
        """Send a request. Raises RegistryError, ConnectionFailed, or what Stop gives."""
        ...


class Exchange(Protocol):
    """Sends the requests of one run to any registry."""

    def send(self, registry: str, request: Request) -> Response:
        """Ask a registry, by its name in references.

        Mirrors, retries, login, pace and redirects are dealt with.
        Raises RegistryError, ConnectionFailed, CredentialError, or what Stop gives.
        """
        ...

    def host(self, registry: str) -> HostSettings:
        """The merged settings of a registry."""
        ...

    def names(self, registry: str) -> tuple[str, ...]:
        """All names by which a registry is known; the first is the one to compare by."""
        ...

    def challenge(self, registry: str) -> str:
        """The last WWW-Authenticate header of a registry, empty before there was one."""
        ...

    def turn(self, registry: str, repository: str) -> AbstractContextManager[None]:
        """Wait for the turn at a repository, and have it until the end of the block.

        All runs of a process take turns at changes of several requests that must not
        mix. A thread that has the turn may take it again. Raises what Stop gives.
        """
        ...

    @property
    def blob_limit(self) -> int:
        """Bytes a manifest or config may have."""
        ...
