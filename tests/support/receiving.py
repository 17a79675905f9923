"""HTTP servers that receive notifications, and keep what they were sent."""

from __future__ import annotations

import queue
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WITHIN = 30
"""Seconds after which a test that waits for a message fails."""


@dataclass(frozen=True, slots=True)
class Received:
    """A request. The names of its headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answers: nothing at all, with ``drops``."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    drops: bool = False


class Inbox:
    """A receiver at ``url``. ``answers`` are given in turn, and the last one again and again."""

    def __init__(self, url: str, answers: list[Answer]) -> None:
        self.url = url
        self.answers = answers
        self.gate = threading.Event()
        """Requests are answered once this is set."""
        self.gate.set()
        self._received: queue.Queue[Received] = queue.Queue()

    def next(self) -> Received:
        """The next request, for which it waits."""
        return self._received.get(timeout=WITHIN)

    def rest(self) -> list[Received]:
        """The requests so far."""
        return [self._received.get_nowait() for _ in range(self._received.qsize())]

    def answer(self, request: Received) -> Answer:
        """Keep a request, and give the answer."""
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        self._received.put(request)
        self.gate.wait(WITHIN)
        return answer


@contextmanager
def receiving(*answers: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Inbox]:
    """A receiver on a port of loopback, for a block."""
    inbox = Inbox("", list(answers) or [Answer()])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(length)
            answer = inbox.answer(Received(self.command, self.path, headers, body))
            self.close_connection = True
            if answer.drops:
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that is gone is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "https" if tls else "http"
    inbox.url = f"{scheme}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield inbox
    finally:
        inbox.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()
