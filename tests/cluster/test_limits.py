"""One limit a host over all processes that share a database.

The registry counts what it sees. The limits are laws: however slow the machine is, there
is never more. How much of them is used is in tests/run/limits, where time is simulated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.httpclient import Web, plain, web
from support.limiting import Rows, counting, processes
from support.scripted import Said, scripted

from regbot.errors import ConnectionFailed, RegistryError, ScriptTimeout, StorageError
from regbot.http.hosts import HostSettings
from regbot.run.limits.sharing import SharedLimits
from regbot.run.limits.table import STEPS
from regbot.stopping import Stop

RATE = 20.0
LONG = 60.0


@pytest.fixture
def database(database_url) -> Iterator[Rows]:
    """An empty database with the tables of the limits."""
    rows = Rows(database_url)
    rows.prepare("limits", STEPS)
    try:
        yield rows
    finally:
        rows.close()


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
        lambda: rows,
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


def test_four_processes_keep_to_the_requests_per_second_and_at_once(database, database_url):
    """``reqPerSec: 20`` and ``reqConcurrent: 4``, as the registry saw it."""
    with counting(0.02) as registry:
        work = {
            "url": database_url,
            "host": registry.host,
            "requests": 30,
            "threads": 4,
            "requests_per_second": RATE,
            "concurrency": 4,
        }
        with processes(*[work] * 4) as started:
            began = time.monotonic()
            for process in started:
                process.go()
            results = [process.result() for process in started]
    assert [result["failed"] for result in results] == [[]] * 4
    assert len(registry.came) == 120
    assert registry.most <= 4
    for k, came in enumerate(registry.came):
        assert came - began >= k / RATE - 0.05
    assert claims(database) == []
    leased = sum(result["leased"] for result in results) * RATE
    assert 120 <= round(leased) <= 120 * 2


def test_four_processes_at_a_host_without_a_rate(database, database_url):
    with counting(0.01) as registry:
        work = {"url": database_url, "host": registry.host, "requests": 100, "threads": 4}
        with processes(*[{**work, "concurrency": 3}] * 4) as started:
            for process in started:
                process.go()
            assert [process.result()["sent"] for process in started] == [100] * 4
    assert registry.most <= 3
    assert claims(database) == []


def test_a_refusal_holds_all(database, database_url):
    """A 429 that one is answered, with and without a rate."""
    with counting() as registry, ExitStack() as stack:
        first, *others = (
            stack.enter_context(member(database_url, plain(registry.host, **settings)))
            for settings in ({}, {}, {}, {"requests_per_second": RATE})
        )
        for each in (first, *others):
            each.gets(registry.host)
        registry.refusing.append((429, "100"))
        with pytest.raises(RegistryError, match="429"):
            first.web.send(registry.host, "/v2/", retry=False)
        for each in others:
            until(lambda: each.is_held(registry.host))  # noqa: B023
        came = len(registry.came)
        for each in (first, *others):
            with pytest.raises(ScriptTimeout):
                each.gets(registry.host, 0.5)
        assert len(registry.came) == came


def test_who_comes_later_is_held_too(database, database_url):
    with counting() as registry:
        with member(database_url, plain(registry.host)) as first:
            registry.refusing.append((429, "100"))
            with pytest.raises(RegistryError, match="429"):
                first.web.send(registry.host, "/v2/", retry=False)
            until(lambda: bool(database.rows("SELECT 1 FROM limited_host WHERE held_until > 9")))
        with (
            member(database_url, plain(registry.host, requests_per_second=RATE)) as second,
            pytest.raises(ScriptTimeout),
        ):
            second.gets(registry.host, 0.5)
        assert len(registry.came) == 1


def test_a_host_that_one_process_cant_reach_is_its_own_affair(database, database_url):
    """Else one machine without a network would hold up all."""
    with member(database_url, plain("127.0.0.1:1")) as first:
        with pytest.raises(ConnectionFailed):
            first.gets("127.0.0.1:1")
        assert database.rows("SELECT held_until FROM limited_host") == [(0.0,)]


def test_the_slots_of_a_process_that_died_are_free_once_its_lease_is_over(database, database_url):
    with counting(LONG) as registry:
        work = {"url": database_url, "host": registry.host, "requests": 1, "threads": 1}
        with processes({**work, "concurrency": 1}) as (process,):
            process.go()
            until(lambda: len(registry.came) == 1)
            process.kill()
        registry.slowly = 0.0
        with member(database_url, plain(registry.host, concurrency=1)) as other:
            with pytest.raises(ScriptTimeout):
                other.gets(registry.host, 0.5)
            database.run("UPDATE limit_claim SET until = 0 WHERE granted > 0")
            other.gets(registry.host)


def test_slots_go_on_without_the_database_until_the_lease_ends(database_url, database):
    with counting() as registry, member(database_url, plain(registry.host)) as alone:
        alone.gets(registry.host)
        alone.rows.away = True
        alone.gets(registry.host)
        alone.later[0] = 40.0
        with pytest.raises(ScriptTimeout):
            alone.gets(registry.host, 0.5)
        alone.rows.away = False
        alone.gets(registry.host)
        assert len(registry.came) == 3


def test_a_rate_is_kept_without_the_database(database, database_url):
    """Nobody knows what the others send, so nothing is sent until it is back."""
    limited = {"requests_per_second": 4.0}
    with counting() as registry, member(database_url, plain(registry.host, **limited)) as alone:
        alone.gets(registry.host)
        alone.rows.away = True
        with pytest.raises(ScriptTimeout):
            alone.gets(registry.host, 0.5)
        assert len(registry.came) == 1
        alone.rows.away = False
        alone.gets(registry.host)


def test_requests_fail_rather_than_wait_for_ever(database, database_url):
    with counting() as registry, member(database_url, plain(registry.host)) as alone:
        alone.gets(registry.host)
        alone.rows.away = True
        until(lambda: alone.rows.refused > 0)
        alone.later[0] = 40.0
        with pytest.raises(ScriptTimeout):
            alone.gets(registry.host, 0.5)
        alone.later[0] = 70.0
        with pytest.raises(StorageError, match="the database is away"):
            alone.gets(registry.host)


def test_a_database_that_was_never_there_fails_at_once(database_url):
    with counting() as registry, member(database_url, plain(registry.host)) as alone:
        alone.rows.away = True
        with pytest.raises(StorageError, match="the database is away"):
            alone.gets(registry.host)
        assert registry.came == []


def test_two_names_of_a_host_share_one_limit(database, database_url):
    """Names in references, and the names of the loopback interface."""
    with counting() as registry:
        port = registry.host.rpartition(":")[2]
        named = plain("team.example", hostname=registry.host, concurrency=1)
        with (
            member(database_url, named, plain(f"localhost:{port}", concurrency=1)) as both,
            both.web.send("team.example", "/v2/"),
            ThreadPoolExecutor(1) as pool,
        ):
            ended = pool.submit(both.gets, f"localhost:{port}", 0.5)
            assert isinstance(ended.exception(), ScriptTimeout)
        assert len(registry.came) == 1
    assert len(database.rows("SELECT host FROM limited_host")) == 1


@pytest.mark.parametrize("others", [{"concurrency": 5}, {}])
def test_of_two_configs_the_smaller_limit_holds(database, database_url, others):
    """As when a server takes a new config while a run goes on with the old one."""
    with (
        counting() as registry,
        member(database_url, plain(registry.host, concurrency=1)) as old,
        member(database_url, plain(registry.host, **others)) as new,
    ):
        with old.web.send(registry.host, "/v2/"), pytest.raises(ScriptTimeout):
            new.gets(registry.host, 0.5)
        new.gets(registry.host)


def test_threads_that_hold_a_slot_of_another_host_never_wait(database, database_url):
    """Else two processes that each send to the other's host would wait for ever."""
    with counting() as here, counting() as there, ExitStack() as stack:
        hosts = [plain(each.host, concurrency=1) for each in (here, there)]
        first, second = (stack.enter_context(member(database_url, *hosts)) for _ in range(2))
        with first.web.send(here.host, "/v2/"), ThreadPoolExecutor(1) as pool:

            def copy() -> None:
                with second.web.send(there.host, "/v2/"):
                    second.gets(here.host)

            pool.submit(copy).result(LONG)
            first.gets(there.host)


def test_fewer_slots_than_processes_go_round(database, database_url):
    """While all of them want more than they get."""
    with counting() as registry, ExitStack() as stack:
        members = [
            stack.enter_context(member(database_url, plain(registry.host, concurrency=1)))
            for _ in range(3)
        ]
        served = [0] * len(members)

        def work(i: int) -> None:
            while min(served) == 0:
                members[i].gets(registry.host)
                served[i] += 1

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(work, range(3)))
        assert registry.most == 1


def test_hundreds_of_hosts(database, database_url):
    """Those that nobody asks any more cost nothing, and leave no claim."""
    with scripted(lambda _: Said()) as server:
        hosts = [plain(f"h{i}.example", hostname=server.host) for i in range(60)]
        with member(database_url, *hosts) as alone:
            for host in hosts:
                alone.gets(host.name)
            until(lambda: claims(database) == [])
            asked = alone.rows.asked
            assert asked < 60 * 20
            alone.gets("h5.example")
            assert alone.rows.asked < asked + 20


def test_many_short_runs_leave_nothing(database, database_url):
    with counting() as registry:
        for _ in range(10):
            with member(database_url, plain(registry.host, concurrency=1)) as run:
                run.gets(registry.host, 5.0)
            assert claims(database) == []


def test_a_request_costs_no_query(database, database_url):
    """A process that is busy asks the database some times a second, however much it sends."""
    with counting() as registry, member(database_url, plain(registry.host)) as alone:
        began = time.monotonic()
        for _ in range(300):
            alone.gets(registry.host)
        seconds = time.monotonic() - began
        assert alone.rows.asked <= 15 + 5 * seconds
