"""One limit a host over all processes that work with one database.

Each process claims slots for open requests and leases times to start them at. One
thread asks the database, for all hosts together; a request asks nobody. While the
database is away a process goes on with the slots that it has until its claims lapse, and
starts no request at a host with a rate: so the limits hold even where only some
processes lost the database. It goes on by itself once the database is back.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

from regbot.errors import StorageError
from regbot.journal.database import Database
from regbot.run.limits.shared_host import SharedHost
from regbot.run.limits.table import LEASE, LimitTable
from regbot.stopping import Clock, time_with_sleep

_RENEWED_EVERY = 5.0
_AWAY_FOR = 60.0
"""Seconds after which requests fail, rather than wait for a database that is away."""
_RETRIED_AFTER = 0.5
_CLOSED_WITHIN = 1.0
"""Seconds that the end waits to give back what others could have; else it lapses."""


class SharedLimits:
    """The limits of all hosts; see ``http.sharing.Limits``.

    ``connect`` opens the database when the first host is asked. ``clock`` is that of the
    requests, and ``awake`` one that goes on while the machine sleeps.
    """

    def __init__(
        self,
        connect: Callable[[], Database],
        *,
        clock: Clock = time.monotonic,
        awake: Clock = time_with_sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._awake = awake
        self._chance = chance
        self._process = uuid4().hex
        self._hosts: tuple[SharedHost, ...] = ()
        self._known: set[str] = set()
        self._table: LimitTable | None = None
        self._holds_until = float("-inf")
        self._renewed_at = float("-inf")
        self._error: StorageError | None = None
        self._away_since = float("-inf")
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def host(
        self, host: str, name: str, *, rate: float, at_once: int, freed: Callable[[], None]
    ) -> SharedHost:
        """The limits of a host; see ``Limits``. Nobody is asked before a request."""
        shared = SharedHost(
            host,
            name,
            rate=rate,
            at_once=at_once,
            freed=freed,
            keeper=self,
            clock=self._clock,
            chance=self._chance,
        )
        with self._lock:
            self._hosts = (*self._hosts, shared)
        return shared

    def close(self) -> None:
        """Give everything back. Requests that are still made wait in vain."""
        self._closed.set()
        self._woken.set()
        if self._thread:
            self._thread.join(_CLOSED_WITHIN)

    def wake(self) -> None:
        """Look at once which host wants something."""
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="limits", daemon=True)
                    self._thread.start()
        self._woken.set()

    def check(self) -> None:
        """Raise StorageError where the database was never there, or not for long."""
        if self._error and self._awake() - self._away_since > _AWAY_FOR:
            raise self._error

    @property
    def is_alive(self) -> bool:
        """Whether the claims hold, as far as this process can know."""
        return self._awake() < self._holds_until

    def _work(self) -> None:
        """What the thread does: whatever is due, until the end."""
        while not self._closed.is_set():
            self._woken.wait(self._pause())
            self._woken.clear()
            try:
                self._look()
            except StorageError as error:
                self._note(error)
                self._closed.wait(_RETRIED_AFTER)
                self._woken.set()
            except Exception as error:  # noqa: BLE001 - raised to those who wait
                self._away_since = float("-inf")
                self._error = StorageError(f"can't share the limits of registries: {error!r}")
                break
            else:
                self._error = None
        if self._table:
            with suppress(StorageError):
                self._table.give_all_back()
            self._table.close()

    def _look(self) -> None:
        """Ask the database all that there is to ask now."""
        if self._table is None:
            self._table = LimitTable(self._connect(), self._process)
        table, hosts = self._table, [host for host in self._hosts if host.is_used]
        self._renew(table)
        if unknown := {host.host for host in hosts} - self._known:
            table.add(sorted(unknown))
            self._known |= unknown
        for host in hosts:
            host.tell(table)
            host.lease_times(table)
        due = [host for host in hosts if host.due <= self._clock()]
        if due:
            rows = table.read(sorted({host.host for host in due}))
            idle = [host for host in due if host.settle(rows[host.host], table)]
            if idle:
                table.give_back([host.name for host in idle])
            for host in idle:
                host.rest()

    def _renew(self, table: LimitTable) -> None:
        """Renew the claims before they lapse, or begin again once they have."""
        awake = self._awake()
        if has_lapsed := not self.is_alive:
            for host in self._hosts:
                host.lapse()
        if has_lapsed or self._clock() - self._renewed_at >= _RENEWED_EVERY:
            table.renew()
            self._renewed_at = self._clock()
            self._holds_until = awake + LEASE

    def _note(self, error: StorageError) -> None:
        if self._error is None and self._known:
            self._away_since = self._awake()
        self._known = set()
        self._error = error

    def _pause(self) -> float | None:
        """Seconds until something is due; None where nothing is."""
        due = min((host.due for host in self._hosts), default=float("inf"))
        if due == float("inf"):
            return None
        return max(0.0, min(due, self._renewed_at + _RENEWED_EVERY) - self._clock())
