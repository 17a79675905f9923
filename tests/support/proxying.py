"""A proxy in front of a real registry that breaks requests as planned."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from support.registry import Fault
from support.registry.breaking import broken_after, broken_before
from support.registry.calls import Call, Reply
from support.registry.content import Content
from support.registry.faults import Faults
from support.registry.server import Listener

_HOPS = frozenset({"connection", "content-length", "transfer-encoding", "date", "server"})


class FaultProxy:
    """Passes requests on to ``upstream`` (host:port), until the end of the block."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.faults = Faults(chaos=0.0, seed=0)
        self.asked: list[tuple[str, str]] = []
        self._later = Content()
        self._seen: dict[str, list[Reply]] = {}

    def __enter__(self) -> Self:
        self._listener = Listener(self, "registry", None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.end()

    @property
    def host(self) -> str:
        """host:port of the proxy."""
        return self._listener.address

    def break_by(self, faults: Sequence[Fault]) -> None:
        """Break requests by these from now on, and by no others."""
        self.faults.clear()
        for fault in faults:
            self.faults.plan(fault)

    def settle(self) -> None:
        """Carry out what is late."""
        self._later.settle()

    def wrote(self, method: str, part: str) -> int:
        """How many requests of a method there were to a path that holds ``part``."""
        return sum(asked == method and part in path for asked, path in list(self.asked))

    def serve(self, call: Call) -> tuple[Call, Reply]:
        """Pass a request on, or break it; see ``TestRegistry.serve``."""
        self.asked.append((call.method, call.target))
        call = replace(call, fault=self.faults.next(call.method, call.target))
        self._later.tick()

        def answer() -> Reply:
            return self._pass_on(call)

        reply = broken_before(call, self._later, self.faults, answer)
        return call, reply or broken_after(call, self._stale(call) or answer())

    def broke(self) -> None:
        """A client that goes away is no news."""

    def _stale(self, call: Call) -> Reply | None:
        if not call.broken("stale"):
            return None
        seen = self._seen.get(f"{call.method} {call.target}", [])
        return seen[-2] if len(seen) > 1 else None

    def _pass_on(self, call: Call) -> Reply:
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        try:
            headers = {name: value for name, value in call.headers.items() if name not in _HOPS}
            connection.request(call.method, call.target, call.body or None, headers)
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOPS}
            length = int(answer.headers.get("Content-Length", "0"))
            body = bytes(length) if call.method == "HEAD" else answer.read()
            reply = Reply(answer.status, kept, body)
        finally:
            connection.close()
        self._note(call, reply)
        return reply

    def _note(self, call: Call, reply: Reply) -> None:
        if call.method in ("GET", "HEAD") and "/manifests/" in call.target and reply.status == 200:
            seen = self._seen.setdefault(f"{call.method} {call.target}", [])
            if not seen or seen[-1].headers != reply.headers:
                seen.append(reply)
