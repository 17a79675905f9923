"""A worker as a process of its own, whose units only write down that they were done.

``python -m support.clusterworker URL NAME SECONDS`` works until SIGTERM. Its lease lasts three
seconds. The content of a unit says how long it takes; what each attempt did is in the table
``trace`` of the database. With one more argument it is suspended when it is called to a unit.
A unit is followed by as many others as its content says.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from regbot.errors import Stopped, StorageError
from regbot.events import Event, ignore
from regbot.journal.leases import Leases
from regbot.journal.place import DatabaseUrl
from regbot.journal.postgres import PostgresDatabase
from regbot.journal.shared import open_database
from regbot.run.cluster.queue import Queue
from regbot.run.cluster.units import HandedOut, NewUnit, Taken, Units
from regbot.run.cluster.worker import Done, Times, Work, Worker
from regbot.stopping import Attempt, Stop

CONFIG = f"sha256:{64 * 'a'}"
LEASE = 3.0
TIMES = Times(look=0.3, second_attempt=0.2, longest=1.0, margin=0.5, lost_call=1.0)
_TRACE = (("CREATE TABLE trace (unit TEXT, attempt INTEGER, what TEXT, worker TEXT)",),)


def opened(url: str) -> PostgresDatabase:
    """The database, with all its tables."""
    database = open_database(DatabaseUrl.parse(url), 20)
    database.prepare("trace", _TRACE)
    return database


@contextmanager
def units_at(url: str) -> Iterator[tuple[Units, PostgresDatabase]]:
    """The units in a database."""
    with closing(opened(url)) as database:
        queue = Queue(DatabaseUrl.parse(url), database)
        queue.prepare()
        yield Units(database, queue), database


def unit(name: str, seconds: float = 0.0, follow: int = 0, **more: Any) -> NewUnit:
    """A unit that takes so long, and is followed by so many others that take as long."""
    content = {"name": name, "seconds": seconds, "follow": follow, **more}
    return NewUnit(name, "script", "script", "", json.dumps(content).encode())


def course(run: str = "r1", config: str = CONFIG) -> HandedOut:
    return HandedOut(run, "once", "/regbot.yml", config, b"")


class Tracing:
    """Does units by waiting, and writes down what each attempt did."""

    def __init__(self, database: PostgresDatabase, name: str, stop: Stop) -> None:
        self._database = database
        self._name = name
        self._stop = stop

    def do(self, taken: Taken, attempt: Attempt) -> Done:
        content = json.loads(taken.content)
        self._trace(taken, "begun")
        try:
            self._stop.for_attempt(attempt).wait(content["seconds"])
        except Stopped as error:
            return Done("stopped", str(error), None, lambda _: ())
        if content.get("fails", 0) >= taken.number:
            return Done("waiting", "it broke", None, lambda _: ())

        def following(_open: Mapping[str, int]) -> Sequence[NewUnit]:
            count = content["follow"]
            return [unit(f"{taken.id}.{i}", content["seconds"]) for i in range(count)]

        return Done("done", "", b"result", following)

    def give_up(self, taken: Taken, error: str) -> Done:
        return Done("failed", error, None, lambda _: ())

    def _trace(self, taken: Taken, what: str) -> None:
        with suppress(StorageError):
            self._database.run(
                "INSERT INTO trace VALUES (?, ?, ?, ?)",
                (taken.id, taken.number, what, self._name),
            )


def work(
    url: str,
    name: str,
    concurrency: int,
    stop: Stop,
    emit: Callable[[Event], None] = ignore,
    config: str = CONFIG,
) -> None:
    """Work until stopped."""
    with units_at(url) as (units, database), closing(opened(url)) as other:
        leases = Leases(database, lambda: opened(url), seconds=LEASE, every=LEASE / 6)
        tracing = Tracing(other, name, stop)
        queue = Queue(DatabaseUrl.parse(url), database)
        doing = Work(config, tracing.do, tracing.give_up)
        with closing(leases):
            print("ready", flush=True)
            Worker(units, queue, leases, doing, emit, TIMES).work(stop, concurrency)


@contextmanager
def worker(
    url: str, name: str = "w", concurrency: int = 2, *more: str
) -> Iterator[subprocess.Popen[str]]:
    """A worker as a process, ready when the block begins, and killed at its end."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-W", "error", "-m", "support.clusterworker"),
            *(url, name, str(concurrency), *more),
        ],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def suspend_when_called() -> None:
    """Suspend this process when the queue calls it, before it has said that it was told."""
    fetch = psycopg.AsyncCursor.fetchone

    async def fetch_and_suspend(cursor: psycopg.AsyncCursor[Any]) -> Any:
        row = await fetch(cursor)
        if isinstance(row, dict) and row.get("queueing_lock"):
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        return row

    psycopg.AsyncCursor.fetchone = fetch_and_suspend  # type: ignore[method-assign]


def until(look: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.05)


if __name__ == "__main__":
    url, name, most, *more = sys.argv[1:]
    if more:
        suspend_when_called()
    stop = Stop(grace=5)
    signal.signal(signal.SIGTERM, lambda *_: stop.ask())
    thread = threading.Thread(target=work, args=(url, name, int(most), stop))
    thread.start()
    thread.join()
