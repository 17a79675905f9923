"""A server on loopback whose answers the test writes itself."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came. Header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """An answer. ``length`` lies about the body's; a header with a list comes repeatedly."""

    status: int = 200
    headers: Mapping[str, str | list[str]] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None


Answers = Callable[[Asked], Said]


def always(status: int = 200, body: bytes = b"", **headers: str) -> Answers:
    """The same answer to every request; ``X_Thing`` gives the header ``X-Thing``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Said(status, named, body)


def then(*answers: Said) -> Answers:
    """One answer after the other, the last one for ever."""
    waiting = list(answers)
    return lambda _: waiting.pop(0) if len(waiting) > 1 else waiting[0]


@dataclass(slots=True)
class Scripted:
    """A running server: its address, what it was asked, over how many connections, answers."""

    answers: Answers
    host: str = ""
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    @property
    def lines(self) -> list[str]:
        """Method and path of all that was asked."""
        return [f"{x.method} {x.path}" for x in self.asked]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        server = cast("_Server", self.server)
        server.sockets.append(self.connection)
        server.script.connections += 1

    def log_message(self, *args: Any) -> None:
        """Requests are kept as values, not written to stderr."""

    def do_GET(self) -> None:
        script = cast("_Server", self.server).script
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, body)
        script.asked.append(asked)
        self._write(script.answers(asked))

    do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = do_CONNECT = do_GET  # noqa: N815

    def _write(self, said: Said) -> None:
        self.send_response(said.status)
        for name, value in said.headers.items():
            for one in [value] if isinstance(value, str) else value:
                self.send_header(name, one)
        length = len(said.body) if said.length is None else said.length
        if said.status not in (204, 304):
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said.body)
        self.close_connection = length != len(said.body)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, script: Scripted, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.sockets: list[socket.socket] = []
        if tls is not None:
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or whose TLS fails, is no news."""


@contextmanager
def scripted(answers: Answers, tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    """Serve until the end of the block."""
    script = Scripted(answers)
    server = _Server(script, tls)
    script.host = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        for connection in server.sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        server.server_close()
