"""Listens for requests, in threads beside those of the scripts.

waitress reads a request whole before a thread looks at it, so that a slow one costs a
connection and no thread. What is here limits how many connections there are, how long they
may take, and what a request may hold.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher

from regbot.events import Emit, Message
from regbot.serve.address import Address
from regbot.serve.app import App, complete, error_text, make_app
from regbot.serve.site import PLAIN, Site

CONNECTIONS = 256
"""Connections at a time. With one more, that which sent nothing for longest is closed."""
HEADER = 16 * 1024
"""Bytes of a request's first line and headers."""
BODY = 64 * 1024
"""Bytes of a request's body."""
IDLE = 30
"""Seconds that a connection may be quiet: between requests, or while an answer is taken."""
REQUEST = 30
"""Seconds from the first byte of a request to its last."""
THREADS = 16
"""Threads that answer, those of live pages among them."""
_LOOKS = 2
"""Seconds between two looks at how long connections took."""
_ENDING = 2
"""Seconds for answers on their way when the server ends."""


class _Refusal(ErrorTask):  # type: ignore[misc]
    """The answer to what is no valid request, in regbot's words."""

    def execute(self) -> None:
        status = HTTPStatus(self.request.error.code)
        body = error_text(status).encode()
        self.status = f"{status.value} {status.phrase}"
        headers = [("Content-Type", PLAIN), ("Content-Length", str(len(body)))]
        self.response_headers.extend(complete(headers))
        self.set_close_on_finish()
        self.write(body)


class _Connection(HTTPChannel):  # type: ignore[misc]
    """A connection that knows when its request began."""

    error_task_class = _Refusal
    begun = 0.0

    def received(self, data: bytes) -> bool:
        if self.request is None:
            self.begun = time.time()
        return bool(super().received(data))

    def is_late(self, now: float) -> bool:
        """Whether the other side took too long to send, or to take what it asked for."""
        if self.request is not None and self.begun < now - REQUEST:
            return True
        is_answering = self.requests and not self.total_outbufs_len
        return not is_answering and self.last_activity < now - IDLE


class _Server(TcpWSGIServer):  # type: ignore[misc]
    """The socket that listens, and all connections."""

    channel_class = _Connection

    def __init__(
        self, app: App, listener: socket.socket, tasks: ThreadedTaskDispatcher, limits: Adjustments
    ) -> None:
        place = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(
            app,
            {},
            _sock=listener,
            dispatcher=tasks,
            adj=limits,
            sockinfo=place,
            bind_socket=False,
        )
        self._over = threading.Event()

    def run(self) -> None:
        """Receive and send until the end, in one thread. poll has no limit of descriptors."""
        while not self._over.is_set():
            wasyncore.loop(timeout=1.0, use_poll=True, map=self._map, count=1)
        wasyncore.close_all(self._map, ignore_all=True)

    def end(self) -> None:
        """Let ``run`` end soon. For another thread."""
        self._over.set()
        self.pull_trigger()

    def handle_accept(self) -> None:
        super().handle_accept()
        if len(self.active_channels) > CONNECTIONS:
            waiting = [each for each in self.active_channels.values() if not each.requests]
            if waiting:
                min(waiting, key=lambda each: each.last_activity).will_close = True

    def maintenance(self, now: float) -> None:
        for connection in self.active_channels.values():
            if connection.is_late(now):
                connection.will_close = True


@contextmanager
def serving(site: Site, address: Address) -> Iterator[None]:
    """Answer requests until the end. Raises UsageError where it can't listen there."""
    with address.bind() as listener, _told(site.emit):
        limits = Adjustments(
            sockets=[listener],
            threads=THREADS,
            connection_limit=CONNECTIONS + THREADS,
            cleanup_interval=_LOOKS,
            max_request_header_size=HEADER,
            max_request_body_size=BODY,
            ident="",
        )
        tasks = ThreadedTaskDispatcher()
        tasks.set_thread_count(THREADS)
        port = listener.getsockname()[1]
        server = _Server(make_app(site), listener, tasks, limits)
        thread = threading.Thread(target=server.run, name="http", daemon=True)
        thread.start()
        site.emit(Message("info", "listening", {"url": f"http://{Address(address.host, port)}"}))
        try:
            yield
        finally:
            site.ending.set()
            tasks.shutdown(timeout=_ENDING)
            server.end()
            thread.join()


class _Told(logging.Handler):
    """Passes on what waitress has to say, such as an answer that broke off."""

    def __init__(self, emit: Emit) -> None:
        super().__init__(logging.WARNING)
        self._emit = emit

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return
        text = f"{type(error).__name__}: {error}"
        self._emit(Message("warn", f"an answer broke off: {text}"))


@contextmanager
def _told(emit: Emit) -> Iterator[None]:
    handler, loggers = (
        _Told(emit),
        [logging.getLogger(name) for name in ("waitress", "waitress.queue")],
    )
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
