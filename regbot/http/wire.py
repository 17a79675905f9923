"""Sends one HTTP message and gives the answer back, body unread.

The exceptions of requests and urllib3 end here.
"""

from __future__ import annotations

import re
import ssl
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

import requests
import urllib3

from regbot.errors import ConnectionFailed, InvalidValue, SizeMismatch
from regbot.http.connections import Session
from regbot.http.cutting import GRACE, Cutter, in_turn
from regbot.http.outgoing import Outgoing
from regbot.http.proxies import Proxies
from regbot.http.reasons import explain
from regbot.http.urls import origin, redacted
from regbot.stopping import Stop
from regbot.units import format_duration, format_size

CHUNK = 64 * 1024
_GRACE = 0.05
_REFUSED = re.compile(r"failed: 4(?!08|29)\d\d")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for a connection, and between two pieces of an answer.

    ``grace`` is what an exchange still gets when its run was asked to end.
    """

    connect: float = 10.0
    read: float = 60.0
    grace: float = GRACE


class Wire:
    """The connections used for one registry, kept open between requests."""

    def __init__(
        self,
        registry: str,
        *,
        context: ssl.SSLContext,
        proxies: Proxies,
        timeouts: Timeouts,
        user_agent: str,
        cutter: Cutter,
        size: int,
    ) -> None:
        self._registry = registry
        self._proxies = proxies
        self._timeouts = timeouts
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "identity"}
        self._chosen: dict[tuple[str, str, int], str] = {}
        self._cutter = cutter
        self._session = Session(context, size=size, uses=cutter.uses)

    def send(self, outgoing: Outgoing, stop: Stop, *, limit: int) -> WireResponse:
        """Send a message once; any status is an answer. ``limit`` is that of ``read``.

        Raises ConnectionFailed, or what the Stop says.
        """
        stop.check()
        left = stop.remaining
        most = self._timeouts.read if left is None else min(self._timeouts.read, left + _GRACE)
        proxies = self._proxies_for(outgoing)
        try:
            with self._cutter.sending(stop) as flight:
                answer = self._session.send(
                    self._prepared(outgoing),
                    stream=True,
                    timeout=(min(self._timeouts.connect, most), most),
                    allow_redirects=False,
                    proxies=proxies,
                )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            stop.check()
            raise self._failed(error, outgoing) from None
        response = WireResponse(answer, outgoing, self._failed, self._cutter.forgotten, stop, limit)
        response.hold(partial(self._cutter.landed, flight))
        return response

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def _prepared(self, outgoing: Outgoing) -> requests.PreparedRequest:
        headers = {**self._headers, **outgoing.headers}
        body = outgoing.body
        data = body if body is None or isinstance(body, bytes) else _counted(body, outgoing)
        prepared = requests.Request(outgoing.method, outgoing.url, headers, data=data).prepare()
        if callable(body):
            prepared.headers.pop("Transfer-Encoding", None)
            prepared.headers["Content-Length"] = str(outgoing.length or 0)
        return prepared

    def _proxies_for(self, outgoing: Outgoing) -> dict[str, str]:
        place = origin(outgoing.url)
        if place not in self._chosen:
            try:
                self._chosen[place] = self._proxies.choose(outgoing.url).reveal()
            except InvalidValue as error:
                raise self._error(str(error), outgoing, retry=False) from None
        proxy = self._chosen[place]
        return {place[0]: proxy} if proxy else {}

    def _failed(self, error: BaseException, outgoing: Outgoing) -> ConnectionFailed:
        if isinstance(error, requests.exceptions.ConnectTimeout):
            limit = format_duration(self._timeouts.connect)
            return self._error(f"no connection within {limit}", outgoing)
        if isinstance(error, requests.exceptions.ReadTimeout | urllib3.exceptions.ReadTimeoutError):
            limit = format_duration(self._timeouts.read)
            return self._error(f"nothing came back for {limit}", outgoing)
        if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidHeader):
            return self._error("the URL or a header can't be sent", outgoing, retry=False)
        why, retry = explain(error, self._registry)
        if isinstance(error, requests.exceptions.ProxyError):
            said = _proxy_said(error)
            why = f"the proxy failed: {said or why}"
            retry = retry and not _REFUSED.search(said)
        return self._error(why, outgoing, retry=retry)

    @staticmethod
    def _error(why: str, outgoing: Outgoing, *, retry: bool = True) -> ConnectionFailed:
        return ConnectionFailed(
            why, method=outgoing.method, url=redacted(outgoing.url), retry=retry
        )


class WireResponse:
    """An answer; ``exchange.Response`` says what it can do."""

    def __init__(
        self,
        answer: requests.Response,
        sent: Outgoing,
        failed: Callable[[BaseException, Outgoing], ConnectionFailed],
        forgotten: Callable[[Iterable[Callable[[], None]]], None],
        stop: Stop,
        limit: int,
    ) -> None:
        self._answer = answer
        self._sent = sent
        self._failed = failed
        self._stop = stop
        self._limit = limit
        self._held: list[Callable[[], None]] = [answer.close]
        self._unclosed = weakref.finalize(self, forgotten, self._held)

    def hold(self, give_back: Callable[[], None]) -> None:
        """Call this once when the answer is closed or forgotten."""
        self._held.append(give_back)

    @property
    def status(self) -> int:
        """The status code."""
        return self._answer.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by name in any case."""
        return self._answer.headers

    @property
    def url(self) -> str:
        """Where the answer came from."""
        return self._sent.url

    @property
    def sent(self) -> Outgoing:
        """The message this answers."""
        return self._sent

    def read(self, limit: int | None = None) -> bytes:
        """The whole body; see ``exchange.Response``."""
        most = self._limit if limit is None else limit
        parts: list[bytes] = []
        seen = 0
        for chunk in self.chunks():
            seen += len(chunk)
            if seen > most:
                self.close()
                raise SizeMismatch(
                    f"{self._sent.method} {redacted(self.url)}: the answer has more than "
                    f"{format_size(most)}"
                )
            parts.append(chunk)
        return b"".join(parts)

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes; see ``exchange.Response``."""
        try:
            yield from self._whole()
        finally:
            self.close()

    def peek(self, most: int) -> bytes:
        """The start of an error's body, as far as it can be had, and close."""
        parts: list[bytes] = []
        try:
            for chunk in self._whole():
                parts.append(chunk)
                most -= len(chunk)
                if most <= 0:
                    break
        except ConnectionFailed:
            pass
        finally:
            self.close()
        return b"".join(parts)

    def close(self) -> None:
        """Give the connection and the slot back."""
        if self._unclosed.detach():
            in_turn(self._held)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _whole(self) -> Iterator[bytes]:
        """The chunks, and an error when there are fewer bytes than announced."""
        expected = self._announced()
        seen = 0
        while chunk := self._next():
            seen += len(chunk)
            yield chunk
        if expected is not None and seen < expected:
            why = f"the answer broke off after {seen} of {expected} bytes"
            raise Wire._error(why, self._sent)  # noqa: SLF001

    def _next(self) -> bytes:
        self._stop.check()
        try:
            return bytes(self._answer.raw.read1(CHUNK, decode_content=True) or b"")
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            self._stop.check()
            raise self._failed(error, self._sent) from None

    def _announced(self) -> int | None:
        length = self.headers.get("Content-Length", "")
        empty = self._sent.method == "HEAD" or self.status in {204, 304}
        if empty or "Content-Encoding" in self.headers or "Transfer-Encoding" in self.headers:
            return None
        return int(length) if length.isascii() and length.isdigit() else None


def _counted(body: Callable[[], Iterable[bytes]], outgoing: Outgoing) -> Iterator[bytes]:
    """The body, refused when it is not as long as its Content-Length."""
    expected = outgoing.length or 0
    seen = 0
    for chunk in body():
        seen += len(chunk)
        if seen > expected:
            break
        yield chunk
    if seen != expected:
        raise SizeMismatch(
            f"{outgoing.method} {redacted(outgoing.url)}: the content to send "
            f"is not {expected} bytes long"
        )


def _proxy_said(error: BaseException) -> str:
    """The status with which a proxy refused a tunnel."""
    said = re.search(r"Tunnel connection failed: [\w ]{1,80}", str(error))
    return said[0].lower() if said else ""
