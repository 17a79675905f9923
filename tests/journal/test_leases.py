"""What many machines do is in progress as long as the lease of its process goes on."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest
from support.databases import connecting
from support.postgres import postgres as own_postgres

from regbot.errors import StorageError
from regbot.journal.leases import LEASES, SECONDS, Leases

LONG = 1e9


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["file", "server"])
def connect(request, tmp_path):
    """Opens the database."""
    if request.param == "file":
        return connecting(tmp_path / "leases.sqlite", (LEASES,))
    return connecting(request.getfixturevalue("database_url"), (LEASES,))


@pytest.fixture
def database(connect):
    with closing(connect()) as database:
        yield database


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def leases(database, connect, clock):
    """Those of a process whose thread does nothing by itself."""
    with closing(Leases(database, connect, clock=clock, every=LONG)) as leases:
        yield leases


class Renewals:
    """Opens connections, and says when a lease was renewed on one, or was not."""

    def __init__(self, connect):
        self._connect = connect
        self._renewals = threading.Semaphore(0)
        self.fails = False

    def __call__(self):
        database = self._connect()
        run = database.run

        def watched(statement, values=()):
            if not statement.startswith("UPDATE"):
                return run(statement, values)
            try:
                if self.fails:
                    raise StorageError("the database is away")
                return run(statement, values)
            finally:
                self._renewals.release()

        database.run = watched
        return database

    def until(self, condition):
        """Wait for what the renewal that fails brings about."""
        ends = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < ends
            self._renewals.acquire(timeout=1)

    def wait(self):
        """Wait for one that began after this call, and for its end."""
        while self._renewals.acquire(blocking=False):
            pass
        for _ in range(3):
            assert self._renewals.acquire(timeout=60)


@pytest.fixture
def renewals(connect):
    return Renewals(connect)


@pytest.fixture
def renewed(database, renewals, clock):
    """Leases whose thread renews them all the time."""
    with closing(Leases(database, renewals, clock=clock, every=0.001)) as leases:
        yield leases


def pass_time(database, seconds):
    """Let the time of a database go on."""
    database.run("UPDATE worker SET until = until - ?", (seconds,))


def workers(database):
    return [worker for (worker,) in database.rows("SELECT id FROM worker ORDER BY id")]


def test_a_name_is_held_until_it_is_given_back(leases, database, connect):
    assert not leases.is_held("a run")
    leases.take("a run")
    leases.take("another")
    with closing(Leases(database, connect)) as other:
        assert other.is_held("a run")
    leases.release("a run")
    assert not leases.is_held("a run")
    assert leases.is_held("another")


def test_nobody_gives_back_what_another_holds(leases, database, connect):
    leases.take("a run")
    with closing(Leases(database, connect)) as other:
        other.release("a run")
        assert other.is_held("a run")
        pass_time(database, SECONDS)
        other.release("a run")
    assert database.rows("SELECT name FROM held") == []


def test_a_process_knows_what_it_still_holds(leases, database, connect):
    assert leases.ended("a run")
    leases.take("a run")
    assert leases.ended("a run") is None
    with closing(Leases(database, connect)) as other:
        assert other.ended("a run")
    leases.release("a run")
    assert leases.ended("a run")


def test_what_the_database_ended_is_ended_here_too(leases, database):
    """As after a virtual machine was suspended: its own clock did not go on."""
    leases.take("a run")
    work = leases.leased()
    assert work.reason() is None
    pass_time(database, SECONDS)
    assert "its lease is over" in str(leases.ended("a run"))
    assert "its lease is over" in str(work.reason())


def test_what_another_took_over_is_not_held_any_more(leases, database, connect):
    leases.take("a plan")
    pass_time(database, SECONDS)
    with closing(Leases(database, connect)) as other:
        other.take("a plan")
        assert leases.ended("a plan")
        leases.release("a plan")
        assert other.ended("a plan") is None


def test_work_ends_before_its_lease_and_stays_ended(leases, clock):
    work = leases.leased()
    clock.now += 0.9 * SECONDS - 1
    assert work.left == 1.0
    clock.now += 1
    assert work.reason()
    assert leases.lease().ends > clock.now
    clock.now += SECONDS
    leases.lease()
    assert work.reason()
    assert leases.leased().reason() is None


def test_what_a_process_held_is_given_back_at_its_end(database, connect):
    with closing(Leases(database, connect)) as ended, closing(Leases(database, connect)) as other:
        ended.take("a run")
        other.take("another")
        ended.close()
        assert not other.is_held("a run")
        assert other.is_held("another")


def test_who_only_looks_leaves_no_trace(leases, database):
    leases.is_held("a run")
    assert workers(database) == []


def test_nothing_counts_as_held_past_the_end_of_a_lease(leases, database, connect):
    leases.take("a run")
    with closing(Leases(database, connect)) as other:
        pass_time(database, SECONDS - 5)
        assert other.is_held("a run")
        pass_time(database, 5)
        assert not other.is_held("a run")


def test_a_name_of_a_lease_that_has_ended_can_be_taken_over(leases, database, connect):
    leases.take("a plan")
    pass_time(database, SECONDS)
    with closing(Leases(database, connect)) as other:
        other.take("a plan")
        assert leases.is_held("a plan")


def test_a_process_counts_the_time_from_before_it_asked(leases, database, clock):
    lease = leases.lease()
    assert lease.ends == clock.now + SECONDS
    clock.now += SECONDS - 1
    assert not lease.has_ended
    clock.now += 1
    assert lease.has_ended


def test_a_lease_goes_on_while_it_is_renewed(renewed, renewals, database, clock):
    renewed.take("a run")
    lease = renewed.lease()
    for _ in range(3):
        clock.now += SECONDS - 1
        pass_time(database, SECONDS - 1)
        renewals.wait()
        assert lease.ends == clock.now + SECONDS
        assert renewed.is_held("a run")
    assert workers(database) == [lease.worker]


def test_a_lease_that_has_ended_for_the_database_is_not_renewed(renewed, renewals, database, clock):
    """Such as that of a process whose messages were under way for too long."""
    renewed.take("a run")
    lease = renewed.lease()
    pass_time(database, SECONDS)
    renewals.until(lambda: lease.has_ended)
    assert lease.ends <= clock.now
    assert not renewed.is_held("a run")
    assert renewed.lease().worker != lease.worker
    assert not renewed.is_held("a run")


def test_a_process_that_slept_past_its_lease_knows_it_before_it_asks(leases, database, clock):
    leases.take("a run")
    lease = leases.lease()
    clock.now += SECONDS
    assert lease.has_ended
    clock.now -= SECONDS
    assert lease.has_ended
    lease.renew(clock.now + SECONDS)
    assert lease.has_ended
    assert leases.lease().worker != lease.worker


def test_while_the_database_is_away_a_lease_goes_on_to_its_end_and_no_longer(
    renewed, renewals, database, clock
):
    lease = renewed.lease()
    renewals.fails = True
    renewals.wait()
    clock.now += SECONDS - 1
    assert not lease.has_ended
    clock.now += 1
    assert lease.has_ended


def test_a_lease_that_outlasts_the_absence_of_the_database_goes_on(clock):
    with own_postgres() as server, server.database() as url:
        connect = connecting(url, (LEASES,))
        renewals = Renewals(connect)
        with (
            closing(connect()) as database,
            closing(Leases(database, renewals, clock=clock, every=0.001)) as leases,
        ):
            leases.take("a run")
            lease = leases.lease()
            server.stop("immediate")
            renewals.wait()
            with pytest.raises(StorageError):
                leases.is_held("a run")
            with pytest.raises(StorageError):
                leases.take("another")
            leases.release("a run")
            server.start()
            clock.now += SECONDS - 1
            renewals.wait()
            assert lease.ends == clock.now + SECONDS
            assert leases.lease() is lease
            assert leases.is_held("a run")


def test_after_an_absence_that_was_too_long_there_is_a_new_worker(clock):
    with own_postgres() as server, server.database() as url:
        connect = connecting(url, (LEASES,))
        with (
            closing(connect()) as database,
            closing(Leases(database, connect, clock=clock, every=LONG)) as leases,
        ):
            leases.take("a run")
            lease = leases.lease()
            server.stop("fast")
            clock.now += SECONDS
            for call in (leases.lease, lambda: leases.is_held("a run")):
                with pytest.raises(StorageError):
                    call()
            server.start()
            assert leases.lease().worker != lease.worker
            assert lease.has_ended
            leases.take("another")
            assert leases.is_held("another")


def test_who_has_closed_takes_nothing_more(database, connect):
    leases = Leases(database, connect)
    leases.take("a run")
    leases.close()
    leases.close()
    with pytest.raises(StorageError, match="closed"):
        leases.take("another")


def test_workers_of_long_ago_are_forgotten(leases, database, connect):
    leases.take("a run")
    pass_time(database, 2 * 86400)
    with closing(Leases(database, connect)) as other:
        lease = other.lease()
        assert workers(database) == [lease.worker]
    assert database.rows("SELECT name FROM held") == []
