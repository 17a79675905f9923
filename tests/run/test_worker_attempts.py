"""What a worker makes of attempts that the database, or the end of its lease, cut short."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import closing, contextmanager, suppress

import pytest
from support.clusterworker import CONFIG, course, opened, unit, until

from regbot.errors import DatabaseAway
from regbot.events import ignore
from regbot.journal.postgres import PostgresDatabase
from regbot.run.cluster.units import Taken, Units, key_of
from regbot.run.cluster.worker import Done, Times, Work, Worker
from regbot.stopping import Attempt, Stop, time_with_sleep

TIMES = Times(look=0.02, second_attempt=0.0, shortest=0.02, margin=5.0)
DONE = Done("done", "", b"", lambda _: ())


class Calls:
    """The bell and the calls of one worker, without a queue between them."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._called: queue.Queue[str] = queue.Queue()

    def ring(self, fingerprint: str, units: list[str], after: float = 0.0) -> None:
        for called in units:
            self._called.put(called)

    def missing(self, waiting_for: float) -> dict[str, str]:
        rows = self._database.rows(
            "SELECT id FROM unit JOIN course ON course.run = unit.run"
            " WHERE state = 'waiting' AND fingerprint = ?",
            (key_of(CONFIG),),
        )
        return {name: CONFIG for (name,) in rows}

    def work(
        self,
        fingerprint: str,
        do: Callable[[str], None],
        threads: Executor,
        most: int,
        has_ended: Callable[[], bool],
    ) -> None:
        while not has_ended():
            with suppress(queue.Empty):
                threads.submit(do, self._called.get(timeout=0.02))


class OwnLease:
    """The lease of a process, which is its own leases; it goes on for ``left`` seconds."""

    worker = "this"
    left = 60.0
    has_ended = False

    @property
    def ends(self) -> float:
        return time_with_sleep() + self.left

    def lease(self) -> OwnLease:
        return self


class Scene:
    """One unit, and a worker that does it by ``do``."""

    def __init__(self, database: PostgresDatabase) -> None:
        self.database = database
        self.database.run("INSERT INTO worker VALUES ('this', 'this machine', 1e12)")
        self.calls = Calls(self.database)
        self.units = Units(self.database, self.calls)
        self.lease = OwnLease()
        self.attempts: list[int] = []
        self.do: Callable[[], Done] = lambda: DONE

    @contextmanager
    def working(self) -> Iterator[None]:
        def do(taken: Taken, attempt: Attempt) -> Done:
            self.attempts.append(taken.number)
            return self.do()

        def give_up(taken: Taken, error: str) -> Done:
            return Done("failed", error, b"", lambda _: ())

        stop = Stop()
        work = Work(CONFIG, do, give_up)
        worker = Worker(self.units, self.calls, self.lease, work, ignore, TIMES)
        thread = threading.Thread(target=worker.work, args=(stop, 2))
        thread.start()
        try:
            yield
        finally:
            stop.ask()
            thread.join()

    def came_to(self) -> tuple[str, int]:
        """The state in which the unit ends, and how many of its attempts counted as failures."""
        self.units.hand_out(course(), [unit("a")])
        with self.working():
            until(lambda: self.units.course("r1").status)
        (record,) = self.units.progress.records("r1")
        return record.state, record.failures


@pytest.fixture
def scene(database_url: str) -> Iterator[Scene]:
    with closing(opened(database_url)) as database:
        yield Scene(database)


def test_a_time_without_database_uses_up_no_attempt(scene: Scene) -> None:
    def do() -> Done:
        if len(scene.attempts) < 5:
            raise DatabaseAway("the journal is away")
        return DONE

    scene.do = do
    assert scene.came_to() == ("done", 0)
    assert scene.attempts == [1, 2, 3, 4, 5]


def test_a_unit_whose_worker_was_not_told_that_it_has_it_is_given_back(scene, monkeypatch) -> None:
    take = scene.units.take

    def take_without_answer(name: str, worker: str) -> Taken | None:
        monkeypatch.undo()
        take(name, worker)
        raise DatabaseAway("the answer is lost")

    monkeypatch.setattr(scene.units, "take", take_without_answer)
    assert scene.came_to() == ("done", 0)
    assert scene.attempts == [2]


def test_a_worker_sees_to_lost_units_of_its_own_config_alone(scene: Scene) -> None:
    """Of another config it can't say what follows a unit that has to be given up."""
    other = course("r0", f"sha256:{64 * 'b'}")
    scene.units.hand_out(other, [unit("x")])
    scene.database.run("UPDATE unit SET state = 'running', worker = 'dead', failures = 2")
    scene.units.hand_out(course(), [unit("a")])
    scene.database.run("UPDATE unit SET state = 'running', worker = 'dead' WHERE id = 'a'")
    assert scene.came_to() == ("done", 1)
    assert [record.state for record in scene.units.progress.records("r0")] == ["running"]


def test_a_unit_is_given_back_by_a_worker_whose_lease_nearly_ended(scene: Scene) -> None:
    """The attempt may change nothing more, but the worker goes on to live and to have the unit."""

    def do() -> Done:
        scene.lease.left = 1.0 if scene.attempts == [1] else 60.0
        return DONE

    def renew() -> None:
        until(lambda: scene.attempts)
        until(lambda: not scene.units.attempts_of("this"))
        scene.lease.left = 60.0

    scene.do = do
    renewing = threading.Thread(target=renew)
    renewing.start()
    assert scene.came_to() == ("done", 0)
    renewing.join()
    assert scene.attempts == [1, 2]
