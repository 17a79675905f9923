"""What can be made to break: faults at chosen requests, and chaos by seed."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

Kind = Literal[
    "status",
    "drop",
    "stall",
    "truncate",
    "cut",
    "html",
    "wrong digest header",
    "wrong content",
    "half chunk",
    "lost answer",
    "otherwise",
    "late",
    "stale",
    "refused and hidden",
    "call",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """Break requests of ``method`` (empty: any) whose path with query matches ``path``.

    The first ``after`` of them pass, the next ``times`` break, later ones pass.

    Kinds: "status" answers ``status`` with OCI ``code`` and ``headers``; "drop" closes
    the connection unanswered; "stall" waits ``seconds``, then answers; "truncate" sends
    half the body and closes; "cut" answers a whole, shorter JSON text that breaks off;
    "html" answers 200 with a login page; "wrong digest header" and "wrong content" do
    what they say; "half chunk" keeps half of an upload's bytes and closes; "lost answer"
    does the work and closes; "otherwise" does the work and answers ``status``; "late"
    closes at once and does the work ``requests`` requests later; "stale" reads a tag or
    digest that was there before its last change as it was then; "refused and hidden"
    answers ``status``, and 404 to the next HEAD of a manifest; "call" runs ``call`` first
    and then answers as usual.
    """

    kind: Kind = "status"
    method: str = ""
    path: str = ""
    after: int = 0
    times: int = 1
    status: int = 503
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 30.0
    requests: int = 2
    call: Callable[[], object] | None = None

    def __repr__(self) -> str:
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        said = {
            each.name: own[each.name] for each in fields(self) if own[each.name] != each.default
        }
        return f"Fault({', '.join(f'{name}={value!r}' for name, value in said.items() if value)})"

    def matches(self, method: str, path: str) -> bool:
        return self.method in ("", method) and re.search(self.path, path) is not None


CHAOS: tuple[Fault, ...] = (
    Fault("drop"),
    Fault("truncate"),
    Fault("stall", seconds=1.0),
    Fault("status", status=500),
    Fault("status", status=503),
    Fault("status", status=429, code="TOOMANYREQUESTS", headers={"Retry-After": "0"}),
    Fault("status", status=429, code="TOOMANYREQUESTS"),
)


class Faults:
    """Decides, for each request in turn, what breaks. ``count`` says how often it did."""

    def __init__(self, *, chaos: float, seed: int) -> None:
        self._lock = threading.Lock()
        self._planned: list[tuple[Fault, list[int]]] = []
        self._chaos = chaos
        self._random = random.Random(seed)
        self.count = 0

    def plan(self, fault: Fault) -> None:
        with self._lock:
            self._planned.append((fault, [0]))

    def clear(self) -> None:
        """Break nothing more that was planned."""
        with self._lock:
            self._planned.clear()

    def next(self, method: str, path: str) -> Fault | None:
        """The fault of this request; the first planned one wins, then chance."""
        with self._lock:
            found = None
            for fault, seen in self._planned:
                if not fault.matches(method, path):
                    continue
                seen[0] += 1
                if found is None and fault.after < seen[0] <= fault.after + fault.times:
                    found = fault
            if found is None and self._chaos and self._random.random() < self._chaos:
                found = self._random.choice(CHAOS)
            self.count += found is not None
            return found
