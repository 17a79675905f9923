"""One limit a host over all processes that share a database.

The registry counts what it sees. The limits are laws: however slow the machine is, there
is never more. How much of them is used is in tests/run/limits, where time is simulated.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import pytest
from support.configs import load
from support.httpclient import plain
from support.limiting import LONG, Rows, claims, counting, member, processes, until
from support.registry import TestRegistry

from regbot.errors import ConnectionFailed, RegistryError, ScriptTimeout
from regbot.events import ignore
from regbot.journal.place import DatabaseUrl
from regbot.run.bot import Options, assemble

RATE = 20.0


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


def test_a_bot_whose_state_is_a_database_shares_its_limits(database_url):
    with TestRegistry() as registry:
        registry.put_image("app", "v1")
        config = load(f"""
            creds: [{{registry: "{registry.host}", tls: disabled}}]
            scripts: [{{name: look, script: 'tag.ls("{registry.host}/app")'}}]
        """)
        config = replace(config, state=DatabaseUrl.parse(database_url))
        with assemble(config, Options(dry_run=True), "", ignore) as bot:
            assert bot.run_once().status == "done"
    rows = Rows(database_url)
    try:
        ((host,),) = rows.rows("SELECT host FROM limited_host")
        assert host.partition(":")[2] == registry.host.partition(":")[2]
        assert claims(rows) == []
    finally:
        rows.close()
