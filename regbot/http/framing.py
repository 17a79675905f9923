"""HTTP/1.1 messages (RFC 9112) over the connections of urllib3.

urllib3 opens a connection, by TLS and through proxies, and keeps it between requests.
Here a request is written in one piece, and its answer is parsed by httptools (llhttp,
the parser of Node.js), since http.client parses headers as slowly as those of an e-mail.

A connection that is open is used without more of urllib3: ``Connection.request``, then
``Connection.answer``. To open one, urllib3 makes the first request over it itself.
"""

from __future__ import annotations

import http.client
import select
from collections import deque
from collections.abc import Callable, Iterable, Mapping

import httptools
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from regbot.http.cutting import Cutter
from regbot.http.headers import Headers
from regbot.http.opening import Opening

_READ_AT_ONCE = 64 * 1024
_SENT_AT_ONCE = 256 * 1024
"""Bytes of one piece."""
_LONGEST_HEAD = 256 * 1024
"""Bytes that may come without any of the body: informational answers, headers, trailers."""


class Connection(HTTPConnection):
    """A connection that sends one request at a time; ``cutter`` hears what it is used for."""

    cutter: Cutter
    _method = ""

    def connect(self) -> None:
        """Open it, until the run of this thread has to end."""
        Opening(super().connect, self.close).wait(self.cutter.check)

    def send(self, data: bytes) -> None:  # type: ignore[override]
        """Send bytes, on a connection that is opened before them.

        Between two pieces it is looked whether they may go out at all. Nothing but the call
        of the system comes after that look.
        """
        if self.sock is None:
            self.connect()
        self.cutter.uses(self.sock)
        for start in range(0, len(data), _SENT_AT_ONCE):
            piece = memoryview(data)[start : start + _SENT_AT_ONCE]
            self.cutter.check_attempt()
            self.sock.sendall(piece)

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
        fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        head = f"{method} {url} HTTP/1.1\r\n{fields}\r\n".encode("ascii")
        if body is None or isinstance(body, bytes):
            self.send(head + (body or b""))
            return
        self.send(head)
        for chunk in body:
            self.send(chunk)

    @property
    def is_forwarded(self) -> bool:
        """Whether a proxy passes the requests on. It may close the connection after any answer."""
        return self.proxy is not None and self._tunnel_host is None

    @property
    def is_idle(self) -> bool:
        """Whether it is open, and nothing came over it since the last answer, not even its end."""
        if self.sock is None:
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def answer(self) -> Answer:
        """The answer with its headers, and its body unread.

        Raises http.client.HTTPException for what is no HTTP/1, and OSError.
        """
        self.cutter.waits()
        if self.sock.gettimeout() != self.timeout:
            self.sock.settimeout(self.timeout)
        answer = Answer(self, has_body=self._method != "HEAD")
        answer.read_head()
        return answer

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        """The answer as urllib3 knows it."""
        return known_to_urllib3(self.answer(), self._method)


class SecureConnection(Connection, HTTPSConnection):
    """The same over TLS."""


def known_to_urllib3(answer: Answer, method: str) -> urllib3.HTTPResponse:
    """An answer to a method as urllib3 has it, which decodes its body as well."""
    return urllib3.HTTPResponse(
        answer,  # type: ignore[arg-type]
        answer.headers,
        answer.status,
        preload_content=False,
        request_method=method,
        original_response=answer,  # type: ignore[arg-type]
    )


class Answer:
    """One answer as it comes from a connection: its headers, then its body.

    When it is closed, the connection is fit for the next request, or closed as well;
    ``give_back`` is called then.
    The ``on_`` methods are those that httptools calls.
    """

    __slots__ = (
        "_connection",
        "_fields",
        "_has_body",
        "_has_surplus",
        "_is_broken",
        "_is_whole",
        "_left",
        "_parser",
        "_pieces",
        "closed",
        "give_back",
        "headers",
        "status",
    )

    def __init__(self, connection: Connection, *, has_body: bool) -> None:
        self.status = 0
        self.headers = _NONE
        self.closed = False
        self.give_back: Callable[[], object] | None = None
        self._fields: list[tuple[bytes, bytes]] = []
        self._connection = connection
        self._has_body = has_body
        self._left = 0
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
            data = self._connection.sock.recv(_READ_AT_ONCE)
            if not data:
                raise http.client.RemoteDisconnected("no answer")
            left -= len(data)
            self._parse(data)
        self.headers = Headers(self._fields)
        if not self._has_body:
            self._is_whole, self._has_surplus = True, bool(self._pieces)
            self._pieces.clear()
        elif not self._is_whole and "transfer-encoding" not in self.headers:
            length = self.headers.get("content-length", "")
            self._left = int(length) - sum(map(len, self._pieces)) if length.isdecimal() else 0

    def read1(self, amount: int, decode_content: bool = True) -> bytes:  # noqa: ARG002, FBT001, FBT002 - as urllib3 has it
        """The next bytes of the body, ``amount`` at most, as they came; none at its end."""
        if self._left and not self._pieces:
            return self._read_plain(amount)
        left = _LONGEST_HEAD
        while not self._pieces and not self._is_whole:
            if self._is_broken or left <= 0:
                raise http.client.IncompleteRead(b"")
            data = self._connection.sock.recv(_READ_AT_ONCE)
            left -= len(data)
            if data:
                self._parse(data)
            elif "transfer-encoding" in self.headers:
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

    def _read_plain(self, amount: int) -> bytes:
        """Bytes of a body whose length is known, past the parser: it has nothing to find there.

        At its end one byte more is asked for. TLS keeps what follows in the same record, and
        nobody would see it before the next answer begins with it.
        """
        data = self._connection.sock.recv(amount if amount < self._left else self._left + 1)
        body = data[: self._left]
        self._left -= len(body)
        self._is_whole, self._has_surplus = not self._left, len(data) > len(body)
        return body

    def close(self) -> None:
        """Read nothing more."""
        if self.closed:
            return
        self.closed = True
        if self._has_surplus or not (self._is_whole and self._keeps_open()):
            self._connection.close()
        del self._parser  # which refers back to this answer
        if self.give_back is not None:
            self.give_back()

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
        if self._connection.is_forwarded:
            return False
        is_current = self._parser.get_http_version() == "1.1"
        return is_current and "close" not in self.headers.get("connection", "").lower()

    def on_message_begin(self) -> None:
        """An answer begins, or what follows the last one."""
        self._has_surplus = self._is_whole
        if not self.status:
            self._fields.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or one of those that follow a body, which nobody reads."""
        if not self.status:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """All headers are there; after those of an informational answer others come."""
        status = self._parser.get_status_code()
        if status >= http.client.OK:
            self.status = self.status or status

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        if not self._is_whole:
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """The body is whole."""
        self._is_whole = self._is_whole or self.status > 0


_NONE = Headers(())
