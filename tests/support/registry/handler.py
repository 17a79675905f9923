"""HTTP/1.1 on a socket: reads a request, breaks it as planned, writes the reply."""

from __future__ import annotations

import ssl
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, cast

from support.registry.calls import Call, Logged, Reply, error

if TYPE_CHECKING:
    from support.registry.server import Listener

_LOGIN_PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"


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
        registry.note(Logged(self.command, self.path, headers, len(body), role))
        fault = registry.faults.next(self.command, self.path)
        scheme = "https" if isinstance(self.connection, ssl.SSLSocket) else "http"
        host = headers.get("host", registry.host)
        call = Call(self.command, self.path, headers, body, role, host, scheme, fault)
        reply = self._broken_before(call) or self._broken_after(call, registry.answer(call))
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

    def _broken_before(self, call: Call) -> Reply | None:
        fault = call.fault
        if fault is None:
            return None
        match fault.kind:
            case "status":
                reply = error(fault.status, fault.code or "UNKNOWN", headers=fault.headers)
                return reply if fault.code else Reply(fault.status, fault.headers)
            case "drop":
                return Reply(0, close=True)
            case "stall":
                self.listener.registry.closing.wait(fault.seconds)
            case "html":
                return Reply(200, {"Content-Type": "text/html"}, _LOGIN_PAGE)
            case "call" if fault.call is not None:
                fault.call()
        return None

    def _broken_after(self, call: Call, reply: Reply) -> Reply:
        if call.broken("lost answer"):
            return Reply(0, close=True)
        if call.broken("cut"):
            return Reply(reply.status, reply.headers, reply.body[: len(reply.body) // 2])
        if call.broken("wrong content"):
            return Reply(reply.status, reply.headers, reply.body + b" ")
        if call.broken("wrong digest header"):
            wrong = {"Docker-Content-Digest": f"sha256:{'0' * 64}"}
            return Reply(reply.status, {**reply.headers, **wrong}, reply.body)
        return reply

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
