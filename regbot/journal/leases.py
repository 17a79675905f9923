"""Which runs are in progress on many machines, as their common database knows it.

Each process that works with the database is a worker with a lease, which a thread renews. A
worker that is killed, stopped or cut off renews it no more; at its end nothing counts as held
that the worker held. All times are by the database's clock, so that a machine whose clock is
off does no harm. What a process knows of its own lease is counted from before its message was
sent, so it ends there no later than in the database.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

from regbot.errors import AttemptEnded, StorageError
from regbot.journal.database import Database, storable
from regbot.stopping import Clock, Leased, time_with_sleep

LEASES = (
    "CREATE TABLE worker (id TEXT PRIMARY KEY, name TEXT NOT NULL, until REAL NOT NULL)",
    """CREATE TABLE held (
        name TEXT PRIMARY KEY, worker TEXT NOT NULL REFERENCES worker(id) ON DELETE CASCADE)""",
    "CREATE INDEX held_by_worker ON held(worker)",
)
"""The tables. ``until`` is in seconds since 1970 by the database's clock."""
SECONDS = 30.0
"""How long a lease goes on after it was renewed."""
EVERY = 5.0
"""Seconds from one renewal to the next."""
_RETRIED_AFTER = 1.0
"""Seconds from a renewal that failed to the next try."""
_CLOSED_WITHIN = 2.0
"""Seconds that who closes waits for the database."""
_MARGIN = 0.1
"""The part of a lease in whose last seconds nothing is begun or written any more."""
_NAME = "this run"
_OVER = (
    "its lease is over, since the process was suspended or could not reach the database for too"
    " long; nothing more is changed (run it again)"
)
_SHOWN_FOR = 86400.0
"""Seconds for which a worker is remembered whose lease has ended."""


class Lease:
    """What a process knows of a lease. Once it has ended it is never renewed.

    ``worker`` is the id of the worker whose it is; its next lease has another.
    """

    def __init__(self, worker: str, ends: float, clock: Clock) -> None:
        self.worker = worker
        self._ends = ends
        self._clock = clock
        self._is_over = False

    @property
    def ends(self) -> float:
        """Until when it holds as far as is known now, by the clock that goes on in sleep."""
        return self._ends

    @property
    def has_ended(self) -> bool:
        """Whether it is over."""
        self._is_over = self._is_over or self._ends <= self._clock()
        return self._is_over

    def renew(self, ends: float) -> None:
        """Let it go on until then, unless it has ended."""
        if not self.has_ended:
            self._ends = ends

    def end(self) -> None:
        """End it now."""
        self._is_over = True
        self._ends = min(self._ends, self._clock())


class Leases:
    """The names that processes hold by their leases, in a database.

    ``connect`` opens the connection on which the lease is renewed, which nothing else may hold
    up. Nothing is sent before the first name is taken, or the lease is asked for.
    """

    def __init__(
        self,
        database: Database,
        connect: Callable[[], Database],
        *,
        clock: Clock = time_with_sleep,
        seconds: float = SECONDS,
        every: float = EVERY,
    ) -> None:
        self._database = database
        self._connect = connect
        self._clock = clock
        self._seconds = seconds
        self._every = every
        self._lock = threading.Lock()
        self._connection: Database | None = None
        self._lease: Lease | None = None
        self._taken: dict[str, Lease] = {}
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def lease(self) -> Lease:
        """The lease of this process. In place of one that has ended there is a new one.

        Raises StorageError where the database can't be reached.
        """
        with self._lock:
            if self._closed.is_set():
                raise StorageError("the journal is closed")
            if self._lease is None or self._lease.has_ended:
                self._lease = self._begin()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="lease", daemon=True)
                self._thread.start()
            return self._lease

    def leased(self) -> Leased:
        """What a run may change, under the lease of now. Raises StorageError.

        It ends some seconds before the lease, so that the registry has carried out by then
        what it was asked last.
        """
        lease = self.lease()
        margin = self._seconds * _MARGIN

        def ends() -> float:
            return 0.0 if lease.has_ended else lease.ends - margin

        return Leased(_NAME, _OVER, ends, self._clock)

    def take(self, run: str) -> None:
        """Hold a new name, or that of a worker whose lease has ended. Raises StorageError."""
        lease = self.lease()
        self._database.run(
            "INSERT INTO held (name, worker) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET worker = excluded.worker",
            (run, lease.worker),
        )
        self._taken[run] = lease

    def release(self, run: str) -> None:
        """Give a name back, as far as the database can be reached; not that of a live process."""
        lease = self._taken.pop(run, None)
        with suppress(StorageError):
            self._database.run(
                "DELETE FROM held WHERE name = ? AND worker NOT IN"  # noqa: S608
                f" (SELECT id FROM worker WHERE until > {self._database.now} AND id <> ?)",
                (run, lease.worker if lease else ""),
            )

    def is_held(self, run: str) -> bool:
        """Whether it is in progress. Raises StorageError."""
        return bool(self._holders(run))

    def ended(self, run: str) -> AttemptEnded | None:
        """Why this process may do nothing more of what it took. Raises StorageError.

        Where the database says so, the lease has ended whatever the clock here says: that of
        a virtual machine that was suspended may not know it.
        """
        lease = self._taken.get(run)
        if lease and not lease.has_ended:
            if self._holders(run) == [(lease.worker,)]:
                return None
            lease.end()
        return AttemptEnded(f"{_NAME} has ended: {_OVER}")

    def _holders(self, run: str) -> list[tuple[str]]:
        """The worker that holds a name, if there is one."""
        return self._database.rows(
            "SELECT worker FROM held JOIN worker ON worker.id = worker"  # noqa: S608
            f" WHERE held.name = ? AND until > {self._database.now}",
            (run,),
        )

    def close(self) -> None:
        """End the lease, and give back all that this process holds.

        Where the database is away, nobody waits for it: its names lapse with the lease.
        """
        self._closed.set()
        if self._thread:
            self._thread.join(_CLOSED_WITHIN)

    def _begin(self) -> Lease:
        """A lease of a new worker."""
        worker = uuid4().hex
        if self._connection is None:
            self._connection = self._connect()
        database = self._connection
        with suppress(StorageError):  # another process may do the same
            database.run(
                f"DELETE FROM worker WHERE until < {database.now} - ?",  # noqa: S608
                (_SHOWN_FOR,),
            )
        sent = self._clock()
        database.run(
            f"INSERT INTO worker (id, name, until) VALUES (?, ?, {database.now} + ?)",  # noqa: S608
            (worker, storable(f"{socket.gethostname()} {os.getpid()}"), self._seconds),
        )
        return Lease(worker, sent + self._seconds, self._clock)

    def _work(self) -> None:
        """Renew the lease until the end. Who needs the next one asks for it."""
        pause = self._every
        while not self._closed.wait(pause):
            try:
                with self._lock:
                    self._renew()
                pause = self._every
            except StorageError:
                pause = min(self._every, _RETRIED_AFTER)
        with self._lock, suppress(StorageError):
            self._end()

    def _renew(self) -> None:
        lease, database = self._lease, self._connection
        if lease is None or database is None or lease.has_ended:
            return
        sent = self._clock()
        renewed = database.run(
            f"UPDATE worker SET until = {database.now} + ?"  # noqa: S608
            f" WHERE id = ? AND until > {database.now}",
            (self._seconds, lease.worker),
        )
        if renewed:
            lease.renew(sent + self._seconds)
        else:
            lease.end()

    def _end(self) -> None:
        if self._lease and self._connection:
            self._lease.end()
            self._connection.run("DELETE FROM worker WHERE id = ?", (self._lease.worker,))
            self._connection.close()
