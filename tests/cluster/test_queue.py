"""Units of runs, given out by a queue in a real PostgreSQL to real worker processes."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from support.clusterworker import CONFIG, course, unit, units_at, until, worker
from support.postgres import postgres as own_postgres

from regbot.errors import NotFound, StorageError


def states(units, run="r1"):
    return {record.id: record.state for record in units.progress.records(run)}


def traces(database):
    """The attempts that began, each by unit and number."""
    return sorted(database.rows("SELECT unit, attempt FROM trace WHERE what = 'begun'"))


def ended(units, run="r1"):
    return units.course(run).status


def finish(units, run="r1"):
    def is_over():
        try:
            return ended(units, run)
        except StorageError:
            return ""

    until(is_over)
    return ended(units, run)


def test_units_are_done_once_each_and_what_follows_them_too(database_url):
    with units_at(database_url) as (units, database), worker(database_url):
        assert units.hand_out(course(), [unit("a", follow=2), unit("b")])
        assert finish(units) == "done"
        assert states(units) == dict.fromkeys(["a", "b", "a.0", "a.1"], "done")
        assert traces(database) == [("a", 1), ("a.0", 1), ("a.1", 1), ("b", 1)]


def test_a_run_that_is_handed_out_twice_is_done_once(database_url):
    with units_at(database_url) as (units, database), worker(database_url):
        assert units.hand_out(course(), [unit("a")])
        assert not units.hand_out(course(), [unit("a"), unit("b")])
        assert finish(units) == "done"
        assert traces(database) == [("a", 1)]


def test_a_unit_of_a_worker_that_is_killed_is_done_by_another(database_url):
    with units_at(database_url) as (units, database), worker(database_url, "first") as first:
        units.hand_out(course(), [unit("a", 3.0, follow=1)])
        until(lambda: traces(database))
        first.kill()
        with worker(database_url, "second"):
            assert finish(units) == "done"
        assert traces(database) == [("a", 1), ("a", 2), ("a.0", 1)]


def test_a_worker_that_was_suspended_finds_its_attempt_ended(database_url):
    with units_at(database_url) as (units, database), worker(database_url, "first") as first:
        units.hand_out(course(), [unit("a", 1.0, follow=1)])
        until(lambda: traces(database))
        first.send_signal(signal.SIGSTOP)
        with worker(database_url, "second"):
            assert finish(units) == "done"
            first.send_signal(signal.SIGCONT)
            units.hand_out(course("r2"), [unit(f"b{i}", 0.2) for i in range(12)])
            assert finish(units, "r2") == "done"
        names = {name for (name,) in database.rows("SELECT DISTINCT worker FROM trace")}
        assert names == {"first", "second"}
        assert [each for each in traces(database) if each[0] == "a"] == [("a", 1), ("a", 2)]
        assert states(units) == {"a": "done", "a.0": "done"}


def test_a_worker_that_is_suspended_while_it_is_called_keeps_the_call_from_nobody(database_url):
    """Its connection is in the middle of a transaction, with the call in it."""
    with units_at(database_url) as (units, database), worker(database_url, "w", 1, "x") as first:
        units.hand_out(course(), [unit("a")])
        until(lambda: " T " in Path(f"/proc/{first.pid}/stat").read_text())
        assert not traces(database)
        with worker(database_url, "second"):
            assert finish(units) == "done"


def test_a_unit_is_given_back_by_a_worker_that_is_stopped(database_url):
    with units_at(database_url) as (units, database), worker(database_url, "first") as first:
        units.hand_out(course(), [unit("a", 1.0)])
        until(lambda: traces(database))
        first.terminate()
        assert first.wait(20) == 0
        (record,) = units.progress.records("r1")
        assert (record.state, record.failures) == ("waiting", 0)
        with worker(database_url, "second"):
            assert finish(units) == "done"


def test_a_unit_that_comes_to_nothing_is_tried_three_times(database_url):
    with units_at(database_url) as (units, database), worker(database_url):
        units.hand_out(course(), [unit("a", fails=2), unit("b", fails=9)])
        assert finish(units) == "failed"
        assert states(units) == {"a": "done", "b": "failed"}
        assert traces(database) == [(name, number) for name in "ab" for number in (1, 2, 3)]
        assert [record.error for record in units.progress.records("r1")] == ["", "it broke"]


def test_a_run_that_is_cancelled_ends_what_waits_and_what_runs(database_url):
    with units_at(database_url) as (units, database), worker(database_url, concurrency=1):
        units.hand_out(course(), [unit("a", 600), unit("b", 600)])
        until(lambda: traces(database))
        assert units.cancel("r1") == 2
        assert ended(units) == "stopped"
        units.hand_out(course("r2"), [unit("c")])
        assert finish(units, "r2") == "done"
        assert traces(database) == [("a", 1), ("c", 1)]
        with pytest.raises(NotFound):
            units.cancel("r3")


def test_a_worker_leaves_units_of_other_configs_alone(database_url):
    with units_at(database_url) as (units, _), worker(database_url):
        other = f"sha256:{64 * 'b'}"
        units.hand_out(course("other", other), [unit("x")])
        units.hand_out(course(), [unit("a")])
        assert finish(units) == "done"
        assert states(units, "other") == {"x": "waiting"}
        assert units.progress.counts(other) == {"waiting": 1, "running": 0}
        assert units.progress.counts(CONFIG) == {"waiting": 0, "running": 0}


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_workers_come_back_after_the_database(how):
    with (
        own_postgres() as server,
        server.database() as url,
        units_at(url) as (units, database),
        worker(url, "w", 4) as process,
    ):
        server.restart(how)
        units_handed_out(units, [unit(f"a{i}", 1.0, follow=1) for i in range(6)])
        until(lambda: traces(database))
        server.restart(how)
        assert finish(units) == "done"
        assert set(states(units).values()) == {"done"}
        assert len(states(units)) == 12
        process.terminate()
        assert process.wait(30) == 0


def units_handed_out(units, new):
    """Hand out a run, as who asks for one does when the database is back."""

    def is_handed_out():
        try:
            units.hand_out(course(), new)
        except StorageError:
            return False
        return True

    until(is_handed_out)


def test_a_lost_call_to_a_unit_is_repeated(database_url):
    with units_at(database_url) as (units, database):
        units.hand_out(course(), [unit("a")])
        database.run("DELETE FROM procrastinate_jobs")
        with worker(database_url):
            assert finish(units) == "done"
