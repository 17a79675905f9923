"""Sends one message over one connection; the exceptions of requests and urllib3 end here."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from functools import partial

import requests
import urllib3

from regbot.errors import ConnectionFailed, InvalidValue, SizeMismatch
from regbot.events import Exchanged, PullsLeft
from regbot.http.cutting import Flight
from regbot.http.exchange import Request, Response
from regbot.http.pacing import Surroundings, leading_count
from regbot.http.peers import Peer
from regbot.http.reasons import explain, is_unreachable
from regbot.redaction import redacted
from regbot.stopping import Stop
from regbot.units import format_duration

CHUNK = 124 * 1024
"""Bytes read at once. From 128 KiB on, memory comes from the system anew for each piece."""
_GRACE = 0.05
_REFUSED = re.compile(r"failed: 4(?!08|29)\d\d")
_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)


class WireSender:
    """The last sender: whatever status comes back is an answer.

    ``limit`` is that of ``Response.read``, in bytes.
    """

    def __init__(self, peer: Peer, *, world: Surroundings, stop: Stop, limit: int) -> None:
        self._peer = peer
        self._world = world
        self._stop = stop
        self._limit = limit

    def send(self, request: Request) -> Response:
        """Send a message once. Raises ConnectionFailed, CredentialError, or what Stop says."""
        self._stop.check()
        connections, cutter = self._peer.connections, self._peer.cutter
        body = _counted(request) if callable(request.body) else request.body
        flight = cutter.flight(self._stop, self._peer.timeouts.read)
        began, status = self._world.clock(), 0
        try:
            with flight:
                answer = connections.send(request, body, self._timeouts())
                if flight.was_cut:
                    answer.close()
                flight.check()
            status = answer.status_code
            self._peer.has_answered = True
        except (*_FAILURES, InvalidValue) as error:
            self._stop.check()
            raise self._failed(TimeoutError() if flight.was_cut else error, request) from None
        finally:
            seconds, name = self._world.clock() - began, self._peer.settings.name
            self._world.emit(Exchanged(name, request.method, request.url, status, seconds))
        response = Response(
            request,
            status,
            answer.raw.headers,
            more=partial(self._more, answer.raw, request, flight),
            limit=self._limit,
            closing=[answer.close, flight.land],
            forgotten=cutter.forgotten,
        )
        self._tell_pulls_left(response)
        if response.length == 0:
            answer.raw.read1(1)  # the end of the body, which sets the connection free
        return response

    def _tell_pulls_left(self, response: Response) -> None:
        count = leading_count(response.headers.get("RateLimit-Remaining", ""))
        if count is not None:
            self._world.emit(PullsLeft(self._peer.settings.name, count))

    def _timeouts(self) -> tuple[float, float]:
        """Seconds for a connection and for each read; both end with the run's own timeout."""
        connect, read = self._peer.timeouts.connect, self._peer.timeouts.read
        left = self._stop.remaining
        if left is not None:
            read = min(read, left + _GRACE)
        return min(connect, read), read

    def _more(self, raw: urllib3.BaseHTTPResponse, request: Request, flight: Flight) -> bytes:
        """The next piece of a body, empty at its end."""
        self._stop.check()
        try:
            chunk = raw.read1(CHUNK, decode_content=True) or b""
            flight.check()
        except (*_FAILURES, http.client.HTTPException, ValueError) as error:
            self._stop.check()
            raise self._failed(error, request) from None
        return chunk

    def _failed(self, error: BaseException, request: Request) -> ConnectionFailed:
        why, retry = self._explained(error, request.url)
        return ConnectionFailed(
            why,
            method=request.method,
            url=request.url,
            retry=retry,
            reached=not is_unreachable(error),
        )

    def _explained(self, error: BaseException, url: str) -> tuple[str, bool]:
        """What went wrong, and whether trying again may help."""
        timeouts = self._peer.timeouts
        match error:
            case InvalidValue():
                return str(error), False
            case requests.exceptions.ConnectTimeout():
                waited = format_duration(timeouts.connect)
                return f"no connection within {waited} (is a firewall or proxy in between?)", True
            case (
                requests.exceptions.ReadTimeout()
                | urllib3.exceptions.ReadTimeoutError()
                | TimeoutError()
            ):
                waited = format_duration(timeouts.read)
                return f"no answer came within {waited} (does the registry hang?)", True
            case requests.exceptions.InvalidURL():
                return "the URL can't be sent", False
        if not isinstance(error, requests.exceptions.ProxyError):
            may_be_tls = url.startswith("http:") and not self._peer.has_answered
            return explain(error, self._peer.settings.name, may_be_tls=may_be_tls)
        why, retry = explain(error, "the proxy")
        refusal = _refusal_of_proxy(error)
        variable = "HTTPS_PROXY" if url.startswith("https:") else "HTTP_PROXY"
        text = f"the proxy failed: {refusal or why}; {variable} names it"
        return text, retry and not _REFUSED.search(refusal)


def _counted(request: Request) -> Iterator[bytes]:
    """A body, refused when it is not as long as its Content-Length."""
    assert callable(request.body)  # noqa: S101
    expected, seen = request.length or 0, 0
    for chunk in request.body():
        seen += len(chunk)
        if seen > expected:
            break
        yield chunk
    if seen != expected:
        raise SizeMismatch(
            f"{request.method} {redacted(request.url)}: the content to send "
            f"is not {expected} bytes long"
        )


def _refusal_of_proxy(error: BaseException) -> str:
    """The status with which a proxy refused a tunnel."""
    refusal = re.search(r"Tunnel connection failed: [\w ]{1,80}", str(error))
    return refusal[0].lower() if refusal else ""
