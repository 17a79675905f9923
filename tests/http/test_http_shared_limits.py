"""A transport that shares the limits of its hosts with other processes.

What the others do is played here; tests/cluster has real processes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.httpclient import OK, Web, plain, web
from support.scripted import Said, scripted

from regbot.errors import RegistryError, ScriptTimeout, StorageError
from regbot.events import Delayed
from regbot.http.exchange import Request
from regbot.stopping import Stop


@dataclass(slots=True)
class Host:
    """A host whose other processes leave ``slots``, and the times that come by and by.

    ``refusal`` is until when it is held by the time that somebody has a slot.
    """

    key: str
    name: str
    rate: float
    at_once: int
    freed: Callable[[], None]
    slots: int = 100
    times: list[float | None] = field(default_factory=list)
    held_until: float = float("-inf")
    steps: int = 0
    wanted: int = 0
    told: list[int] = field(default_factory=list)
    error: StorageError | None = None
    refusal: float = float("-inf")

    def enter(self, wanting: int) -> bool:
        if self.error:
            raise self.error
        self.wanted = max(self.wanted, wanting)
        if not self.slots:
            return False
        self.slots -= 1
        return True

    def leave(self) -> None:
        self.slots += 1

    def start(self, patience: float) -> float | None:
        self.held_until = max(self.held_until, self.refusal)
        return self.times.pop(0) if self.times else time.monotonic()

    def hold(self, seconds: float, steps: int) -> None:
        self.held_until, self.steps = time.monotonic() + seconds, steps
        self.told.append(steps)


class Others:
    """The limits of all hosts."""

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}

    def host(
        self, host: str, name: str, *, rate: float, at_once: int, freed: Callable[[], None]
    ) -> Host:
        self.hosts[name] = Host(host, name, rate, at_once, freed)
        return self.hosts[name]


@contextmanager
def shared(answers: Any = None, **settings: Any) -> Iterator[tuple[Web, str, Host]]:
    """A transport for one host, its name, and what others leave of it."""
    others = Others()
    with (
        scripted(answers or (lambda _: Said(200))) as server,
        web(plain(server.host, **settings), limits=others, stop=Stop(timeout=60)) as client,
    ):
        client.exchange.host(server.host)
        yield client, server.host, others.hosts[server.host]


def gets(client: Web, host: str, seconds: float) -> None:
    exchange = client.transport.bind(Stop(timeout=seconds))
    exchange.send(host, Request("GET", "/v2/", OK)).close()


@pytest.mark.parametrize(
    ("name", "settings", "key"),
    [
        ("docker.io", {}, "registry-1.docker.io"),
        ("index.docker.io", {}, "registry-1.docker.io"),
        ("registry-1.docker.io", {}, "registry-1.docker.io"),
        ("team.example", {"hostname": "registry.example:5000"}, "registry.example:5000"),
        ("127.0.0.1:5000", {}, "localhost:5000"),
        ("registry.example", {"path_prefix": "mirror"}, "registry.example"),
    ],
)
def test_all_processes_know_a_host_by_its_address(name, settings, key):
    """Whatever a config calls it."""
    others = Others()
    with web(plain(name, **settings), limits=others) as client:
        client.exchange.host(name)
        (host,) = others.hosts.values()
        assert host.key in {key, key.replace("localhost", "127.0.0.1")}


def test_a_mirror_has_limits_of_its_own():
    others = Others()
    with (
        scripted(lambda _: Said(200)) as server,
        web(
            plain("a.example", mirrors=("b.example",), requests_per_second=9.0),
            plain("b.example", hostname=server.host, concurrency=3),
            limits=others,
        ) as client,
    ):
        client.get("a.example", "/v2/", mirrors=True)
    assert {(host.name, host.rate, host.at_once) for host in others.hosts.values()} == {
        ("a.example", 9.0, 32),
        ("b.example", 0.0, 3),
    }


def test_a_request_waits_for_a_slot_that_others_have():
    with shared() as (client, host, others):
        others.slots = 0
        with pytest.raises(ScriptTimeout):
            gets(client, host, 0.3)
        thread = threading.Thread(target=gets, args=(client, host, 60.0))
        thread.start()
        others.slots = 1
        others.freed()
        thread.join(60)
        assert not thread.is_alive()
        assert others.slots == 1
        assert others.wanted == 1


def test_its_own_limit_holds_too():
    with shared(concurrency=1) as (client, host, others):
        with client.send(host, "/v2/"), pytest.raises(ScriptTimeout):
            in_another_thread(lambda: gets(client, host, 0.3))
        assert others.slots == 100


def in_another_thread(call: Callable[[], None]) -> None:
    """Make a call in a thread, and raise its error."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    if errors:
        raise errors[0]


def test_a_request_waits_for_its_time_and_then_looks_whether_the_host_is_held():
    with shared(requests_per_second=5.0) as (client, host, others):
        now = time.monotonic()
        others.times = [None, now + 0.2, now + 0.4]
        others.refusal = now + 0.3
        client.get(host, "/v2/")
        assert time.monotonic() >= now + 0.4
        assert others.times == []
        assert [event.why for event in client.events if isinstance(event, Delayed)]


def test_what_the_host_refuses_is_told_to_the_others():
    answers = iter([Said(429, {"Retry-After": "50"})])
    with shared(lambda _: next(answers, Said(200))) as (client, host, others):
        with pytest.raises(RegistryError):
            client.send(host, "/v2/", retry=False)
        assert others.told == [1]
        assert others.held_until - time.monotonic() > 40.0
        with pytest.raises(ScriptTimeout):
            gets(client, host, 0.3)


def test_what_it_refused_to_others_holds_this_process():
    with shared() as (client, host, others):
        client.get(host, "/v2/")
        others.held_until, others.steps = time.monotonic() + 50.0, 3
        with pytest.raises(ScriptTimeout):
            gets(client, host, 0.3)


def test_a_mirror_that_refused_others_is_passed_over():
    others = Others()
    with scripted(lambda _: Said(200)) as server, scripted(lambda _: Said(200)) as mirror:
        hosts = (plain(server.host, mirrors=(mirror.host,)), plain(mirror.host))
        with web(*hosts, limits=others) as client:
            client.get(server.host, "/v2/", mirrors=True)
            others.hosts[mirror.host].held_until = time.monotonic() + 50.0
            client.get(server.host, "/v2/", mirrors=True)
        assert (len(mirror.asked), len(server.asked)) == (1, 1)


def test_an_urgent_request_waits_for_nobody():
    """Putting back what was taken goes before everything."""
    with shared() as (client, host, others):
        others.slots, others.held_until = 0, time.monotonic() + 50.0
        client.send(host, "/v2/", urgent=True).close()
        assert others.slots == 0


def test_without_anybody_to_ask_a_request_fails():
    with shared() as (client, host, others):
        others.error = StorageError("the database is away")
        with pytest.raises(StorageError, match="away"):
            client.send(host, "/v2/")
        others.error = None
        client.get(host, "/v2/")
        assert others.slots == 100
