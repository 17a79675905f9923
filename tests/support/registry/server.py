"""TestRegistry: starts and ends the servers, and gives tests their way in."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Any, Protocol, Self

from support.registry.auth import Door
from support.registry.breaking import broken_after, broken_before, stall
from support.registry.calls import Call, Logged, Reply
from support.registry.content import Content
from support.registry.faults import Fault, Faults
from support.registry.handler import Handler
from support.registry.images import Images
from support.registry.quirks import Quirks
from support.registry.routes import Router


class Serving(Protocol):
    """What answers the requests of a listener."""

    @property
    def host(self) -> str: ...

    def serve(self, call: Call) -> tuple[Call, Reply]: ...

    def broke(self) -> None: ...


class Listener(ThreadingHTTPServer):
    """A server on a free loopback port that can end its open connections."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, registry: Serving, role: str, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.registry = registry
        self.role = role
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        if context is not None:
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news; anything else is kept for the test."""
        self.registry.broke()

    def end(self) -> None:
        self.shutdown()
        self._thread.join()
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue
        self.server_close()


_SPEC = Quirks()


class TestRegistry(Images):
    """A registry on loopback. ``switches`` are fields of Quirks, over those of ``quirks``.

    ``chaos`` is the chance of each request to break, by ``seed``. ``listens`` False: it
    has no port, and ``serve`` is called.
    """

    __test__ = False

    def __init__(
        self,
        quirks: Quirks = _SPEC,
        *,
        ssl_context: ssl.SSLContext | None = None,
        chaos: float = 0.0,
        seed: int = 0,
        listens: bool = True,
        **switches: Any,
    ) -> None:
        self.quirks = replace(quirks, **switches)
        self.content = Content()
        self.faults = Faults(chaos=chaos, seed=seed)
        self.closing = threading.Event()
        self.door = Door(self.quirks, lambda: self._token_url)
        self._listens = listens
        self._ssl_context = ssl_context
        self._log: list[Logged] = []
        self._errors: list[BaseException] = []
        self._listeners: dict[str, Listener] = {}

    def __enter__(self) -> Self:
        roles = ["registry"]
        if self.quirks.own_token_server:
            roles.append("token")
        if self.quirks.blob_redirect:
            roles.append("storage")
        for role in roles if self._listens else ():
            self._listeners[role] = Listener(self, role, self._ssl_context)
        self._router = Router(self.quirks, self.content, self.door, self.address("storage"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        for listener in self._listeners.values():
            listener.end()
        if kind is None and self._errors:
            raise self._errors[0]

    def address(self, role: str) -> str:
        """host:port of the registry, token or storage server; the registry's by default."""
        if not self._listens:
            return "registry.test"
        listener = self._listeners.get(role) or self._listeners["registry"]
        return listener.address

    @property
    def host(self) -> str:
        """host:port to connect to."""
        return self.address("registry")

    @property
    def name(self) -> str:
        """The host as it stands in references."""
        return self.quirks.name or self.host

    @property
    def realm(self) -> str:
        """The URL that tokens come from."""
        return self.door.realm()

    @property
    def _token_url(self) -> str:
        scheme = "https" if self._ssl_context else "http"
        return f"{scheme}://{self.address('token')}"

    @property
    def requests(self) -> list[Logged]:
        """Every request so far, in order, those to the token and storage servers too."""
        return list(self._log)

    def asked(self, method: str = "", part: str = "", role: str = "registry") -> list[Logged]:
        """The requests of a method whose path holds ``part``."""
        return [
            entry
            for entry in self._log
            if method in ("", entry.method) and part in entry.path and entry.role == role
        ]

    def forget(self) -> None:
        """Empty the log of requests."""
        self._log.clear()

    def break_next(
        self, kind: str = "status", method: str = "", path: str = "", **how: Any
    ) -> None:
        """Plan a Fault; see there."""
        self.faults.plan(Fault(kind, method, path, **how))  # type: ignore[arg-type]

    def before(self, method: str, path: str, call: Callable[[], object], **how: Any) -> None:
        """Run ``call`` when such a request comes, before it is answered."""
        self.faults.plan(Fault("call", method, path, call=call, **how))

    def tags(self, repository: str) -> Mapping[str, str]:
        """Tags and their digests, as they are."""
        return dict(self.content.repository(repository).tags)

    def manifests(self, repository: str) -> Mapping[str, bytes]:
        """Digests and the manifests' bytes."""
        stored = self.content.repository(repository).manifests
        return {digest: manifest.raw for digest, manifest in stored.items()}

    def blobs(self, repository: str) -> Mapping[str, bytes]:
        """Digests and the blobs' bytes."""
        return dict(self.content.repository(repository).blobs)

    def uploads(self, repository: str) -> list[str]:
        """Upload sessions that nobody ended."""
        return list(self.content.repository(repository).uploads)

    def serve(self, call: Call) -> tuple[Call, Reply]:
        """Answer a request, or break it as planned; it comes back with its fault."""
        self._log.append(Logged(call.method, call.target, call.headers, len(call.body), call.role))
        call = replace(call, fault=self.faults.next(call.method, call.target))
        stall(call, self.closing)
        self.content.tick()

        def answer() -> Reply:
            return self._router.answer(call)

        reply = broken_before(call, self.content, self.faults, answer)
        return call, reply or broken_after(call, answer())

    def broke(self) -> None:
        """Keep the exception in hand, so that the end of the test raises it."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self._errors.append(error)
