"""What the limits that processes share ask of their database, and what happens without it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from support.httpclient import Web, plain
from support.limiting import LONG, Member, claims, counting, member, processes, until
from support.postgres import postgres
from support.scripted import Said, scripted

from regbot.errors import ScriptTimeout, Stopped, StorageError
from regbot.stopping import Stop

RATE = 20.0


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


def test_requests_go_on_after_the_database_was_restarted():
    """As after a power cut: what was leased before stays leased."""
    with postgres() as server, server.database() as url, counting() as registry:
        limited = plain(registry.host, requests_per_second=RATE, concurrency=2)
        with member(url, limited) as first, member(url, limited) as second:
            began = time.monotonic()

            def work(who: Member) -> None:
                for _ in range(30):
                    who.gets(registry.host)

            with ThreadPoolExecutor(2) as pool:
                ended = [pool.submit(work, who) for who in (first, second)]
                until(lambda: len(registry.came) > 10)
                server.restart("immediate")
                for each in ended:
                    each.result()
        assert len(registry.came) == 60
        assert registry.most <= 2
        for k, came in enumerate(registry.came):
            assert came - began >= k / RATE - 0.05


def test_a_database_that_does_not_answer_holds_up_no_end(database, database_url):
    """SIGTERM and Ctrl-C end a run that waits for a slot, and the process after it."""
    with counting() as registry, ExitStack() as ending:
        alone = ending.enter_context(member(database_url, plain(registry.host)))
        alone.rows.answer.clear()
        stop = Stop()
        exchange = alone.web.transport.bind(stop)
        with ThreadPoolExecutor(1) as pool:
            waits = pool.submit(Web(alone.web.transport, exchange).send, registry.host, "/v2/")
            until(lambda: alone.rows.asked > 0)
            stop.ask()
            assert isinstance(waits.exception(), Stopped)
        ending.close()
        alone.rows.answer.set()
        assert registry.came == []
