"""An exchange with the registry of the tests, in this process: no socket, no real time.

Retries and urgent requests are the program's own; pace, login and redirects are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from threading import RLock
from typing import Any, Self
from unittest.mock import patch

from regbot.errors import ConnectionFailed, RegbotError
from regbot.events import Emit, ignore
from regbot.http.exchange import Exchange, Request, Response
from regbot.http.hosts import HostSettings
from regbot.http.pacing import Surroundings
from regbot.http.retry import RetrySender
from regbot.oci.manifest import DEFAULT_BLOB_LIMIT
from regbot.oci.reference import Reference
from regbot.stopping import Stop
from regbot.store.remote import RemoteStore
from support.deleting import Facts
from support.images import Image, push
from support.registry import Fault, Quirks, TestRegistry
from support.registry.auth import Door
from support.registry.calls import Call

TRIES = 3
_THREADED = (
    "regbot.image.crew",
    "regbot.plan.carrying",
    "regbot.plan.foreseen",
    "regbot.plan.look",
    "regbot.store.placeholder_delete",
)


class OneThread:
    """A ThreadPoolExecutor that does everything at once and in order."""

    def __init__(self, *args: Any, **more: Any) -> None:
        """Nothing is started."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        """Nothing is left."""

    def shutdown(self) -> None:
        """Nothing is left."""

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments))
        except RegbotError as error:
            future.set_exception(error)
        return future

    def map(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [work(item) for item in items]


@contextmanager
def one_thread() -> Iterator[None]:
    """Work that is done in threads is done one after the other, so that it can be repeated."""
    with ExitStack() as patches:
        for module in _THREADED:
            patches.enter_context(patch(f"{module}.ThreadPoolExecutor", OneThread))
        yield


class Headers(dict[str, str]):
    """Headers by name in any case."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in headers.items()})

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())

    def get(self, name: str, default: str = "") -> str:
        return super().get(name.lower(), default)


@dataclass(frozen=True, slots=True)
class Asking:
    """A sender that calls the registry."""

    registry: TestRegistry
    name: str
    stop: Stop

    def send(self, request: Request) -> Response:
        self.stop.check()
        body = request.body if isinstance(request.body, bytes) else b"".join(_chunks(request))
        headers = {name.lower(): value for name, value in request.headers.items()}
        target = request.url.removeprefix(f"http://{self.name}")
        call = Call(request.method, target, headers, body, "registry", self.name, "http")
        _, reply = self.registry.serve(call)
        if reply.close:
            why = "the connection was closed before an answer came"
            raise ConnectionFailed(why, method=request.method, url=request.url)
        content = iter([b"" if request.method == "HEAD" else reply.body])

        def more() -> bytes:
            self.stop.check()
            return next(content, b"")

        return Response(
            request,
            reply.status,
            Headers({"Content-Length": str(len(reply.body)), **reply.headers}),
            more=more,
            limit=DEFAULT_BLOB_LIMIT,
            closing=[],
            forgotten=lambda _: None,
        )


class InProcess:
    """The exchange of one run with one registry.

    ``asks`` is the registry's challenge; all its runs share the ``turn``.
    """

    def __init__(
        self, registry: TestRegistry, name: str, asks: str, turn: RLock, stop: Stop
    ) -> None:
        self._turn = turn
        self._asks = asks
        world = Surroundings(lambda: 0.0, lambda: 0.0, Stop.wait, lambda: 0.5, ignore)
        asking = Asking(registry, name, stop)
        self._sender = RetrySender(asking, tries=TRIES, world=world, stop=stop)

    @property
    def blob_limit(self) -> int:
        return DEFAULT_BLOB_LIMIT

    def names(self, registry: str) -> tuple[str, ...]:
        return (registry,)

    def host(self, registry: str) -> HostSettings:
        return HostSettings(registry, tls="disabled")

    def challenge(self, registry: str) -> str:
        return self._asks

    @contextmanager
    def turn(self, registry: str, repository: str) -> Iterator[None]:
        with self._turn:
            yield

    def send(self, registry: str, request: Request) -> Response:
        return self._sender.send(request)


def _chunks(request: Request) -> Iterator[bytes]:
    if request.body is not None and not isinstance(request.body, bytes):
        yield from request.body()


class Memory:
    """The registry of the tests, asked without a connection; ``rate_limit`` is of Quirks."""

    def __init__(self, preset: Quirks, *, rate_limit: int = 0) -> None:
        self.quirks = replace(preset, auth="", blob_redirect=False, rate_limit=rate_limit)
        self._turn = RLock()
        self.registry = TestRegistry(self.quirks, listens=False)
        self.registry.__enter__()
        self.name = self.registry.name
        self.repository = "team/app"
        self._asks = Door(preset, lambda: f"https://{self.name}").challenge()
        self._content = self.registry.content.repository(self.repository)
        self.protected = self._content.protected

    def bind(self, stop: Stop, _emit: Emit = ignore) -> Exchange:
        return InProcess(self.registry, self.name, self._asks, self._turn, stop)

    def fill(self, tag: str, image: Image) -> None:
        place = Reference("registry", self.name, self.repository)
        push(RemoteStore(self.bind(Stop()), place), image, tag)

    def facts(self) -> Facts:
        manifests = self.registry.manifests(self.repository)
        tags = self.registry.tags(self.repository)
        return Facts({tag: at for tag, at in tags.items() if at in manifests}, manifests)

    def move(self, tag: str, digest: str) -> None:
        self._content.tag(tag, digest)

    def break_by(self, faults: Sequence[Fault]) -> None:
        self.registry.faults.clear()
        for fault in faults:
            self.registry.faults.plan(fault)

    def settle(self) -> None:
        self.registry.content.settle()
