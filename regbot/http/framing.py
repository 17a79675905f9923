"""HTTP/1.1 messages (RFC 9112) over the connections of urllib3.

urllib3 opens a connection, by TLS and through proxies, and keeps it between requests.
Here a request is written in one piece, and its answer is parsed by httptools (llhttp,
the parser of Node.js), since http.client parses headers as slowly as those of an e-mail.
"""

from __future__ import annotations

import http.client
from collections import deque
from collections.abc import Iterable, Mapping

import httptools
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from regbot.http.cutting import Cutter

_AT_ONCE = 64 * 1024
_LONGEST_HEAD = 256 * 1024
"""Bytes that may come without any of the body: informational answers, headers, trailers."""


class Connection(HTTPConnection):
    """A connection that sends one request at a time; ``cutter`` hears what it is used for."""

    cutter: Cutter
    _method = ""

    def send(self, data: bytes) -> None:  # type: ignore[override]
        """Send bytes, on a connection that is opened before them."""
        super().send(data)
        self.cutter.uses(self.sock)

    def request(  # type: ignore[override]
        self,
        method: str,
        url: str,
        body: bytes | Iterable[bytes] | None,
        headers: Mapping[str, str],
        **_options: object,
    ) -> None:
        """Send a request with exactly these headers, ``Host`` and ``Content-Length`` among them."""
        self._method = method
        lines = (f"{method} {url} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers))
        head = "\r\n".join((*lines, "", "")).encode("ascii")
        if body is None or isinstance(body, bytes):
            self.send(head + (body or b""))
            return
        self.send(head)
        for chunk in body:
            self.send(chunk)

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        """The answer with its headers, and its body unread.

        Raises http.client.HTTPException for what is no HTTP/1, and OSError.
        """
        self.cutter.waits()
        self.sock.settimeout(self.timeout)
        body = _Body(self, has_body=self._method != "HEAD")
        body.read_head()
        return urllib3.HTTPResponse(
            body,  # type: ignore[arg-type]
            urllib3.HTTPHeaderDict(body.headers),
            body.status,
            preload_content=False,
            request_method=self._method,
            original_response=body,  # type: ignore[arg-type]
        )


class SecureConnection(Connection, HTTPSConnection):
    """The same over TLS."""


class _Body:
    """One answer as it comes from a connection: its headers, then its body.

    After its end the connection is fit for the next request, or closed.
    The ``on_`` methods are those that httptools calls.
    """

    def __init__(self, connection: Connection, *, has_body: bool) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.closed = False
        self._connection = connection
        self._has_body = has_body
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: deque[bytes] = deque()
        self._is_whole = False
        self._has_surplus = False
        self._is_broken = False

    def read_head(self) -> None:
        """Read until all headers of the final answer are there."""
        left = _LONGEST_HEAD
        while not self.status:
            if left <= 0:
                raise http.client.LineTooLong("headers")
            data = self._connection.sock.recv(_AT_ONCE)
            if not data:
                raise http.client.RemoteDisconnected("no answer")
            left -= len(data)
            self._parse(data)
        if not self._has_body:
            self._is_whole, self._has_surplus = True, bool(self._pieces)
            self._pieces.clear()

    def read1(self, amount: int) -> bytes:
        """The next bytes of the body, ``amount`` at most; none at its end."""
        left = _LONGEST_HEAD
        while not self._pieces and not self._is_whole:
            if self._is_broken or left <= 0:
                raise http.client.IncompleteRead(b"")
            data = self._connection.sock.recv(_AT_ONCE)
            left -= len(data)
            if data:
                self._parse(data)
            elif self._header("transfer-encoding"):
                self._is_broken = True
            else:
                return b""
        if not self._pieces:
            return b""
        piece = self._pieces.popleft()
        if len(piece) > amount:
            self._pieces.appendleft(piece[amount:])
        return piece[:amount]

    read = read1

    def close(self) -> None:
        """Read nothing more."""
        if not self.closed:
            self.closed = True
            if self._has_surplus or not (self._is_whole and self._keeps_open()):
                self._connection.close()

    def isclosed(self) -> bool:
        """Whether the connection is not this answer's any more."""
        return self.closed

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._parser.get_status_code():
                raise http.client.BadStatusLine(str(error)) from None
            if not self.status:
                raise http.client.HTTPException(str(error)) from None
            self._has_surplus, self._is_broken = self._is_whole, not self._is_whole

    def _keeps_open(self) -> bool:
        is_current = self._parser.get_http_version() == "1.1"
        return is_current and "close" not in self._header("connection").lower()

    def _header(self, name: str) -> str:
        return ",".join(value for key, value in self.headers if key.lower() == name)

    def on_message_begin(self) -> None:
        self._has_surplus = self._is_whole
        if not self.status:
            self.headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status:
            self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= http.client.OK:
            self.status = self.status or status

    def on_body(self, piece: bytes) -> None:
        if not self._is_whole:
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        self._is_whole = self._is_whole or self.status > 0
