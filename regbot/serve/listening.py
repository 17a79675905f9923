"""Listens for requests, in threads beside those of the scripts.

waitress reads a request whole before a thread looks at it, so that a slow one costs a
connection and no thread. What is here limits how many connections there are, how long they
may take, and what a request may hold.
"""

from __future__ import annotations

import logging
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher

from regbot.events import Emit, Message
from regbot.serve.address import Address
from regbot.serve.answers import error_text
from regbot.serve.app import App, complete, make_app
from regbot.serve.site import PLAIN, Site
from regbot.stopping import FINISHED_BY
from regbot.values import dataclass

_LOOKS = 2
"""Seconds between two looks at how long connections took."""
_PAUSE = 0.1
"""Seconds after which a connection is accepted again where the system had no room for it."""
_LARGE = 64 * 1024
"""Bytes of an answer for which room is made."""
_BUFFER = 256 * 1024
"""Bytes of an answer that the system may hold for each connection."""
_AHEAD = 8 * 1024 * 1024
"""Bytes of an answer in pieces that may wait to be taken; then its thread waits too."""
_ENDING = 2
"""Seconds at most for answers on their way when the server ends."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What requests may take; sizes are in bytes, times in seconds.

    With one connection more, that which has been quiet for longest is closed; they never
    take more than a quarter of the files that the process may have open. A connection
    may be ``quiet`` between requests, or while it doesn't take an answer; ``request`` is the
    time from a request's first byte to its last. ``waiting`` is what answers that are not
    taken may hold together. ``threads`` answer, those of live pages among them.
    """

    connections: int = 256
    header: int = 16 * 1024
    body: int = 64 * 1024
    quiet: float = 30.0
    request: float = 30.0
    waiting: int = 64 * 1024 * 1024
    threads: int = 16


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


class _Received(HTTPRequestParser):  # type: ignore[misc]
    """A request. waitress tells the path of any whose client is gone, also where it has none."""

    path = ""


class _Connection(HTTPChannel):  # type: ignore[misc]
    """A connection that knows when its request began.

    One that sends another request before it has its answer is closed: it could keep threads
    waiting that it takes its answers.
    """

    error_task_class = _Refusal
    parser_class = _Received
    begun = 0.0

    def received(self, data: bytes) -> bool:
        if self.request is None:
            self.begun = time.time()
        is_taken = bool(super().received(data))
        if len(self.requests) > 1:
            self.server.end_soon(self)
        return is_taken

    def write_soon(self, data: bytes) -> int:
        if len(data) >= _LARGE:
            self.server.make_room(self)
        return int(super().write_soon(data))

    def is_late(self, now: float, limits: Limits) -> bool:
        """Whether the other side takes too long to send, or to take what it asked for."""
        if self.request is not None and self.begun < now - limits.request:
            return True
        is_in_work = self.requests and not self.total_outbufs_len
        return not is_in_work and self.last_activity < now - limits.quiet


def _most_connections(limits: Limits) -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_limited = files != resource.RLIM_INFINITY
    return min(limits.connections, files // 4) if is_limited else limits.connections


def _last_activity(connection: _Connection) -> float:
    return float(connection.last_activity)


class _Server(TcpWSGIServer):  # type: ignore[misc]
    """The socket that listens, and all connections.

    A connection that has to end is closed between two polls. waitress waits until it can be
    written to, which it never is where nobody takes the answer. And while what a poll found
    is worked off, a new connection could get its number, and be taken for it.
    """

    channel_class = _Connection

    def __init__(
        self, app: App, listener: socket.socket, tasks: ThreadedTaskDispatcher, limits: Limits
    ) -> None:
        most = _most_connections(limits)
        settings = Adjustments(
            sockets=[listener],
            connection_limit=most + limits.threads,
            cleanup_interval=_LOOKS,
            max_request_header_size=limits.header,
            max_request_body_size=limits.body,
            outbuf_overflow=limits.waiting,
            outbuf_high_watermark=_AHEAD,
            log_socket_errors=False,
            ident="",
        )
        settings.socket_options = [
            *settings.socket_options,
            (socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER),
        ]
        super().__init__(
            app,
            {},
            _sock=listener,
            dispatcher=tasks,
            adj=settings,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
            bind_socket=False,
        )
        self._limits = limits
        self._most = most
        self._over = threading.Event()
        self._waking = threading.Lock()
        self._is_closed = False

    def run(self) -> None:
        """Receive and send until the end, in one thread. poll has no limit of descriptors."""
        while not self._over.is_set():
            wasyncore.loop(timeout=1.0, use_poll=True, map=self._map, count=1)
            for connection in list(self.active_channels.values()):
                if connection.will_close:
                    connection.handle_close()
        with self._waking:
            self._is_closed = True
        wasyncore.close_all(self._map, ignore_all=True)

    def pull_trigger(self) -> None:
        """Wake ``run`` unless it has ended: what was its pipe may be another file by then."""
        with self._waking:
            if not self._is_closed:
                super().pull_trigger()

    def end(self) -> None:
        """Let ``run`` end soon. For another thread."""
        self._over.set()
        self.pull_trigger()

    def accept(self) -> tuple[socket.socket, object] | None:
        try:
            connection: tuple[socket.socket, object] | None = super().accept()
        except OSError:
            self._over.wait(_PAUSE)
            self._end_quietest()
            return None
        if len(self.active_channels) >= self._most:
            self._end_quietest()
        return connection

    def make_room(self, asking: _Connection | None = None) -> None:
        """Where answers hold too much, close those that have been quiet for longest.

        ``asking`` has another answer to add. For any thread.
        """
        holding = [each for each in self._open() if each.total_outbufs_len]
        excess = sum(each.total_outbufs_len for each in holding) - self._limits.waiting
        for connection in sorted(holding, key=_last_activity):
            if excess > 0 and connection is not asking:
                excess -= connection.total_outbufs_len
                self.end_soon(connection)

    def _end_quietest(self) -> None:
        waiting = [each for each in self._open() if not each.requests]
        if waiting:
            self.end_soon(min(waiting, key=_last_activity))

    def _open(self) -> list[_Connection]:
        return [each for each in list(self.active_channels.values()) if not each.will_close]

    def end_soon(self, connection: _Connection) -> None:
        """Close a connection soon. For any thread."""
        connection.will_close = True
        self.pull_trigger()

    def maintenance(self, now: float) -> None:
        self.make_room()
        for connection in self._open():
            if connection.is_late(now, self._limits):
                self.end_soon(connection)


@contextmanager
def serving(site: Site, address: Address, limits: Limits = Limits()) -> Iterator[None]:
    """Answer requests until the end. Raises UsageError where it can't listen there."""
    with address.bind() as listener, _with_log_of_waitress(site.emit):
        tasks = ThreadedTaskDispatcher()
        tasks.set_thread_count(limits.threads)
        port = listener.getsockname()[1]
        server = _Server(make_app(site), listener, tasks, limits)
        thread = threading.Thread(target=server.run, name="http", daemon=True)
        thread.start()
        site.emit(Message("info", "listening", {"url": f"http://{Address(address.host, port)}"}))
        try:
            yield
        finally:
            site.ending.set()
            tasks.shutdown(timeout=min(_ENDING, site.service.stop.left(FINISHED_BY)))
            server.end()
            thread.join()


class _WaitressLog(logging.Handler):
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
def _with_log_of_waitress(emit: Emit) -> Iterator[None]:
    handler = _WaitressLog(emit)
    loggers = [logging.getLogger(name) for name in ("waitress", "waitress.queue")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
