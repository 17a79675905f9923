"""HTTP/1.1 on a socket: reads a request, writes the reply."""

from __future__ import annotations

import ssl
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, cast

from support.registry.calls import Call, Reply

if TYPE_CHECKING:
    from support.registry.server import Listener


class Handler(BaseHTTPRequestHandler):
    """One connection, kept alive for many requests."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    @property
    def listener(self) -> Listener:
        return cast("Listener", self.server)

    def log_message(self, *args: Any) -> None:
        """Requests are logged as values, not on stderr."""

    def do_GET(self) -> None:
        registry = self.listener.registry
        body = self._body()
        role = self.listener.role
        headers = {name.lower(): value for name, value in self.headers.items()}
        scheme = "https" if isinstance(self.connection, ssl.SSLSocket) else "http"
        host = headers.get("host", registry.host)
        call = Call(self.command, self.path, headers, body, role, host, scheme)
        call, reply = registry.serve(call)
        if reply.close:
            self.close_connection = True
        else:
            self._write(reply, truncate=call.broken("truncate"))

    do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        if len(body) < size:
            raise ConnectionResetError("the client went away within a body")
        return body

    def _write(self, reply: Reply, *, truncate: bool) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body[: len(reply.body) // 2] if truncate else reply.body)
        self.close_connection = self.close_connection or truncate
