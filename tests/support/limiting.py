"""Processes that send requests within limits that they share, and a registry that counts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regbot.errors import StorageError
from regbot.http.exchange import Request
from regbot.http.hosts import ClientSettings, HostSettings
from regbot.http.transport import Transport
from regbot.journal.place import DatabaseUrl
from regbot.journal.postgres import PostgresDatabase
from regbot.run.limits.sharing import SharedLimits
from regbot.run.limits.table import STEPS
from regbot.stopping import Stop
from support.httpclient import Web, web
from support.scripted import Asked, Said, scripted

TESTS = Path(__file__).parents[1]
LONG = 60.0
"""Seconds after which a test has failed."""


class Rows(PostgresDatabase):
    """A database by its URL; ``asked`` counts the statements.

    ``leased`` is the seconds that were leased for requests to start in, and ``away`` stands
    for a database that can't be reached, which ``refused`` so many statements. It answers
    once it may ``answer``.
    """

    def __init__(self, url: str) -> None:
        super().__init__(DatabaseUrl.parse(url), patience=5.0)
        self.asked = 0
        self.leased = 0.0
        self.away = False
        self.refused = 0
        self.answer = threading.Event()
        self.answer.set()

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self._count(query, values)
        return super().rows(query, values)

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        self._count(statement, values)
        return super().run(statement, values)

    def _count(self, statement: str, values: Sequence[Any]) -> None:
        if self.away:
            self.refused += 1
            raise StorageError("the database is away")
        self.asked += 1
        self.answer.wait()
        if "RETURNING next" in statement:
            self.leased += values[0]


def connect(rows: Rows) -> Rows:
    """A database with the tables of the limits."""
    rows.prepare("limits", STEPS)
    return rows


@dataclass(slots=True)
class Counting:
    """A registry that answers ``slowly`` and counts: when requests came, how many at once.

    ``refusing`` are the statuses and seconds of Retry-After of the next answers.
    """

    slowly: float = 0.0
    host: str = ""
    came: list[float] = field(default_factory=list)
    most: int = 0
    refusing: list[tuple[int, str]] = field(default_factory=list)
    door: threading.Event = field(default_factory=threading.Event)
    _inside: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, _: Asked) -> Said:
        with self._lock:
            self.came.append(time.monotonic())
            self._inside += 1
            self.most = max(self.most, self._inside)
            refusal = self.refusing.pop() if self.refusing else None
        try:
            if self.slowly:
                self.door.wait(self.slowly)
            return Said(refusal[0], {"Retry-After": refusal[1]}) if refusal else Said()
        finally:
            with self._lock:
                self._inside -= 1


@contextmanager
def counting(slowly: float = 0.0) -> Iterator[Counting]:
    registry = Counting(slowly)
    with scripted(registry.answer) as server:
        registry.host = server.host
        try:
            yield registry
        finally:
            registry.door.set()


@dataclass(slots=True)
class Member:
    """One of several that share the limits, as if it were a process of its own."""

    web: Web
    rows: Rows
    later: list[float] = field(default_factory=lambda: [0.0])

    def gets(self, host: str, seconds: float = LONG) -> None:
        """Send a request that has so many seconds."""
        exchange = self.web.transport.bind(Stop(timeout=seconds), self.web.events.append)
        Web(self.web.transport, exchange).send(host, "/v2/").close()

    def is_held(self, host: str) -> bool:
        return self.web.transport._peers.get(host).pace.held


@contextmanager
def member(url: str, *hosts: HostSettings, **client: Any) -> Iterator[Member]:
    rows, later = Rows(url), [0.0]
    limits = SharedLimits(
        lambda: connect(rows),
        awake=lambda: time.monotonic() + later[0],
    )
    with ExitStack() as stack:
        stack.callback(limits.close)
        client = {"stop": Stop(timeout=LONG), "limits": limits, **client}
        yield Member(stack.enter_context(web(*hosts, **client)), rows, later)


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    ends = time.monotonic() + LONG
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.01)


def claims(database: Rows) -> list[tuple[Any, ...]]:
    return database.rows("SELECT host, wanted, granted FROM limit_claim ORDER BY host")


class Process:
    """A process of its own that waits for a line, and then sends requests."""

    def __init__(self, **work: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.limiting", json.dumps(work)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
        )

    def wait_until_ready(self) -> None:
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"

    def go(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def result(self) -> dict[str, Any]:
        """How many requests it ``sent``, which ``failed``, and what it had of the database."""
        out, _ = self._process.communicate(timeout=120)
        return json.loads(out)  # type: ignore[no-any-return]

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def processes(*works: dict[str, Any]) -> Iterator[list[Process]]:
    """Processes that are ready; none is left at the end."""
    started = [Process(**work) for work in works]
    try:
        for process in started:
            process.wait_until_ready()
        yield started
    finally:
        for process in started:
            with suppress(ValueError):
                process.kill()


def send(url: str, host: str, requests: int, threads: int, **settings: Any) -> dict[str, Any]:
    """Send requests to a host from some threads, within the limits of a database."""
    rows = Rows(url)
    limits = SharedLimits(lambda: connect(rows))
    known = HostSettings(host, tls="disabled", **settings)
    transport = Transport(ClientSettings((known,)), environ={"HOME": "/nonexistent"}, limits=limits)
    exchange = transport.bind(Stop(timeout=100))
    print("ready", flush=True)
    sys.stdin.readline()

    def one(_: int) -> str:
        try:
            exchange.send(host, Request("GET", "/v2/")).close()
        except Exception as error:  # noqa: BLE001 - told to the test
            return str(error)
        return ""

    with ThreadPoolExecutor(threads) as pool:
        ended = list(pool.map(one, range(requests)))
    transport.close()
    limits.close()
    failed = [error for error in ended if error]
    return {
        "sent": requests - len(failed),
        "asked": rows.asked,
        "leased": rows.leased,
        "failed": failed[:1],
    }


if __name__ == "__main__":
    print(json.dumps(send(**json.loads(sys.argv[1]))), flush=True)
