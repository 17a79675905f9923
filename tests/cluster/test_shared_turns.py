"""Turns at a repository between machines, with a real PostgreSQL and several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from support.postgres import postgres as own_postgres
from support.turning import APP, OTHER, Worker, hold, started, take_turns, worker

from regbot.errors import ScriptTimeout, Stopped, StorageError
from regbot.oci.reference import Reference
from regbot.plan.turns import Change
from regbot.stopping import Stop

LONG = 60.0
MANY = [Reference.parse(f"registry.example.org/team/app{n:03}").without_name for n in range(300)]
LEASE_FOR_GOOD = 600.0


@pytest.fixture
def two(database_url: str) -> Iterator[tuple[Worker, Worker]]:
    """Two workers, each with a connection and a lease of its own."""
    with (
        worker(database_url, LEASE_FOR_GOOD) as first,
        worker(database_url, LEASE_FOR_GOOD) as second,
    ):
        yield first, second


class Asked:
    """The statements that a database was asked from now on."""

    def __init__(self, own: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: list[str] = []
        for name in ("run", "rows"):
            monkeypatch.setattr(own.database, name, self._noting(getattr(own.database, name)))

    def _noting(self, call: Callable[..., object]) -> Callable[..., object]:
        def noted(statement: str, *values: object) -> object:
            self.statements.append(statement.split(maxsplit=1)[0])
            return call(statement, *values)

        return noted


def rows_of(own: Worker) -> list[tuple[object, ...]]:
    return own.database.rows("SELECT repository FROM turn ORDER BY repository")


@contextmanager
def waiting(own: Worker, change: Change) -> Iterator[tuple[threading.Event, threading.Event, Stop]]:
    """A thread that waits for its turn: whether it has it, when it may go, and its Stop."""
    has_it, go, stop = threading.Event(), threading.Event(), Stop()

    def work() -> None:
        with own.turns.at(APP, change, stop):
            has_it.set()
            assert go.wait(LONG)

    with ThreadPoolExecutor(1) as thread:
        call = thread.submit(work)
        try:
            yield has_it, go, stop
        except BaseException:
            stop.ask()
            raise
        finally:
            go.set()
        if not stop.asked:
            call.result(LONG)


def until(holds: Callable[[], bool]) -> None:
    """Wait for what has to come."""
    give_up = time.monotonic() + LONG
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def waits(own: Worker) -> bool:
    """Whether somebody waits for the repository."""
    return any('"waiting": [[' in str(row) for row in own.database.rows("SELECT claims FROM turn"))


def test_processes_that_change_repositories_at_once_keep_out_of_each_others_way(
    database_url: str,
) -> None:
    with worker(database_url) as own:
        processes = [started(take_turns, database_url, seed, 12) for seed in range(5)]
        for process in processes:
            process.join(2 * LONG)
            assert process.exitcode == 0
        met = {changes for (changes,) in own.database.rows("SELECT changes FROM met")}
        assert met <= {"puts puts", "deletes deletes"}
        assert own.database.rows("SELECT count(*) FROM inside WHERE ended = 0") == [(0,)]
        assert rows_of(own) == []


@pytest.mark.parametrize("change", ["puts", "deletes"])
def test_who_leaves_a_repository_takes_no_turn_of_another_with_it(
    two: tuple[Worker, Worker], change: Change
) -> None:
    first, second = two
    with ExitStack() as turn:
        turn.enter_context(first.turns.at(APP, change, Stop()))
        with second.turns.at(APP, change, Stop()):
            pass
        second.turns.close()
        with waiting(second, "alone") as (has_it, _, _):
            until(lambda: waits(first) or has_it.is_set())
            assert not has_it.is_set()
            turn.close()
            assert has_it.wait(LONG)


@pytest.mark.parametrize("change", ["puts", "deletes"])
def test_changes_of_a_kind_go_together(two: tuple[Worker, Worker], change: Change) -> None:
    first, second = two
    with first.turns.at(APP, change, Stop()), second.turns.at(APP, change, Stop()):
        pass


@pytest.mark.parametrize(
    ("having", "wanted"),
    [("puts", "deletes"), ("deletes", "puts"), ("alone", "alone"), ("alone", "puts")],
)
def test_changes_that_rest_on_one_another_do_not(
    two: tuple[Worker, Worker], having: Change, wanted: Change
) -> None:
    first, second = two
    with ExitStack() as turn:
        turn.enter_context(first.turns.at(APP, having, Stop()))
        with waiting(second, wanted) as (has_it, _, _):
            until(lambda: waits(first))
            with second.turns.at(OTHER, wanted, Stop()):
                assert not has_it.is_set()
            turn.close()
            assert has_it.wait(LONG)


def test_who_waits_is_not_overtaken(two: tuple[Worker, Worker]) -> None:
    """Not even by threads of the worker that has the repository now."""
    first, second = two
    with ExitStack() as turn:
        turn.enter_context(first.turns.at(APP, "deletes", Stop()))
        with waiting(second, "puts") as (has_it, go, _):
            until(lambda: waits(first))
            until(lambda: first.turns._claims[str(APP)].is_wanted)
            with waiting(first, "deletes") as (is_next, _, _):
                turn.close()
                assert has_it.wait(LONG)
                assert not is_next.is_set()
                go.set()
                assert is_next.wait(LONG)


def test_who_has_a_turn_is_asked_to_hurry_from_another_machine(
    two: tuple[Worker, Worker],
) -> None:
    first, second = two
    hurried = threading.Event()
    with ExitStack() as turn:
        turn.enter_context(first.turns.at(APP, "deletes", Stop(), hurried.set))
        with waiting(second, "puts") as (has_it, _, _):
            assert hurried.wait(LONG)
            turn.close()
            assert has_it.wait(LONG)


def test_two_who_want_two_repositories_do_not_wait_for_one_another(
    two: tuple[Worker, Worker],
) -> None:
    """Each has deletes under way at one repository, and goes on at the other's."""
    first, second = two
    both = threading.Barrier(2)

    def work(own: Worker, one: Reference, then: Reference) -> None:
        with ExitStack() as behind:
            lock = threading.Lock()

            def finish() -> None:
                with lock:
                    behind.close()

            behind.enter_context(own.turns.at(one, "deletes", Stop(), finish))
            both.wait(LONG)
            with own.turns.at(then, "puts", Stop()):
                pass
            finish()

    with ThreadPoolExecutor(2) as threads:
        calls = [threads.submit(work, first, APP, OTHER), threads.submit(work, second, OTHER, APP)]
        for call in calls:
            call.result(LONG)


def test_a_row_of_deletes_asks_the_database_twice(
    two: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = two
    asked = Asked(own, monkeypatch)
    began = time.monotonic()
    for _ in range(1000):
        with own.turns.at(APP, "deletes", Stop()):
            pass
    own.turns.close()
    looks = 1 + (time.monotonic() - began) / 0.5
    assert [each for each in asked.statements if each != "SELECT"] == ["INSERT", "DELETE"]
    assert len(asked.statements) <= 2 + looks
    assert rows_of(other) == []


def test_to_have_many_repositories_alone_asks_the_database_twice(
    two: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = two
    asked = Asked(own, monkeypatch)
    with own.turns.alone(MANY, Stop()):
        assert len(rows_of(other)) == len(MANY)
        writes = [each for each in asked.statements if each != "SELECT"]
    own.turns.close()
    assert writes == ["INSERT"]
    assert [each for each in asked.statements if each != "SELECT"] == ["INSERT", "DELETE"]
    assert rows_of(other) == []


def test_who_wants_many_repositories_alone_waits_for_those_that_others_have(
    two: tuple[Worker, Worker],
) -> None:
    """What it has by then and doesn't use yet is left to others who ask for it."""
    first, second = two
    has_all, stop = threading.Event(), Stop()

    def work() -> None:
        with first.turns.alone(MANY, stop):
            has_all.set()

    with ThreadPoolExecutor(1) as thread:
        with second.turns.at(MANY[0], "deletes", Stop()):
            call = thread.submit(work)
            until(lambda: waits(second))
            with second.turns.at(MANY[-1], "deletes", Stop()):
                assert not has_all.is_set()
        call.result(LONG)
    assert has_all.is_set()


def test_a_claim_that_nobody_uses_is_given_back_by_itself(two: tuple[Worker, Worker]) -> None:
    own, other = two
    with own.turns.at(APP, "alone", Stop()):
        assert rows_of(other) == [(str(APP),)]
    until(lambda: not rows_of(other))


def test_a_stop_ends_who_waits_and_leaves_nobody_waiting(two: tuple[Worker, Worker]) -> None:
    first, second = two
    with first.turns.at(APP, "puts", Stop()):
        with waiting(second, "deletes") as (_, _, stop):
            until(lambda: waits(first))
            stop.ask()
        until(lambda: not waits(first))
    with first.turns.at(APP, "alone", Stop()):
        pass
    stop = Stop()
    stop.ask()
    with pytest.raises(Stopped), second.turns.at(APP, "alone", stop):
        pass


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_the_turns_of_a_worker_end_with_its_lease(database_url: str, how: int) -> None:
    has_it = multiprocessing.get_context("spawn").Event()
    process = started(hold, database_url, "alone", has_it, 0.0 if how == signal.SIGSTOP else LONG)
    with worker(database_url, LEASE_FOR_GOOD) as own:
        assert has_it.wait(LONG)
        assert process.pid is not None
        os.kill(process.pid, how)
        with own.turns.at(APP, "deletes", Stop()):
            # Who wakes up again gives back what it has no more, and takes nothing from others.
            os.kill(process.pid, signal.SIGCONT)
            process.join(LONG)
            assert rows_of(own) == [(str(APP),)]


def test_a_database_that_is_gone_for_a_while_leaves_no_claim_behind() -> None:
    """Who waits for a turn waits for the database too."""
    with own_postgres() as server, server.database() as url, worker(url, LEASE_FOR_GOOD) as own:
        with own.turns.at(APP, "deletes", Stop()):
            server.stop("immediate")
        stop = Stop(timeout=1.0)
        with pytest.raises(ScriptTimeout), own.turns.at(OTHER, "deletes", stop):
            pass
        server.start()
        until(lambda: not _rows_or_none(own))
        with own.turns.at(OTHER, "puts", Stop()):
            pass


def _rows_or_none(own: Worker) -> object:
    try:
        return rows_of(own)
    except StorageError:
        return "not there yet"
