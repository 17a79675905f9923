"""How many requests of one host may be open at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from regbot.events import Delayed, Emit, ignore
from regbot.http.sharing import HostLimits
from regbot.stopping import Clock, Stop

_POLL = 0.1
"""Seconds after which who waits looks whether it has to stop."""


class Holders:
    """How many slots each thread holds, of any host; ``lock`` guards that and all slots."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.held: dict[int, int] = {}


class Slots:
    """How many requests of a host may be open at once, until their answer is closed.

    A thread that holds a slot of any host is given more without waiting: it may be
    sending to one host what it reads from another, and two such threads would wait
    for each other forever. So only threads that hold nothing wait. That is enough for
    threads of several processes too, which share the slots with ``shared``.
    """

    def __init__(
        self,
        host: str,
        count: int,
        clock: Clock,
        holders: Holders,
        shared: HostLimits | None = None,
    ) -> None:
        self._host = host
        self._clock = clock
        self._count = count
        self._shared = shared
        self._taken = 0
        self._waiting = 0
        self._held = holders.held
        self._lock = holders.lock
        self._freed = threading.Condition(holders.lock)

    def take(self, stop: Stop, emit: Emit = ignore) -> Callable[[], None]:
        """Wait for a slot. Call what comes back once to give it back, from any thread.

        ``emit`` is told of the wait.
        """
        thread = threading.get_ident()
        waited: float | None = None
        with self._lock:
            borrowed = thread in self._held
            if not borrowed and not self._enter(self._waiting + 1):
                waited = self._wait(stop)
            self._held[thread] = self._held.get(thread, 0) + 1
        if waited is not None:
            emit(Delayed(self._host, waited, f"{self._count} requests at once"))

        def give_back() -> None:
            with self._lock:
                self._held[thread] -= 1
                if not self._held[thread]:
                    del self._held[thread]
                if not borrowed:
                    self._taken -= 1
                    if self._shared:
                        self._shared.leave()
                    self._freed.notify()

        return give_back

    def freed(self) -> None:
        """Have those that wait look again: other processes left some slots."""
        with self._lock:
            self._freed.notify_all()

    def _enter(self, wanting: int) -> bool:
        """Take a slot if there is one, with the lock held; so many threads want one."""
        if self._taken >= self._count:
            return False
        if self._shared and not self._shared.enter(wanting):
            return False
        self._taken += 1
        return True

    def _wait(self, stop: Stop) -> float:
        """Take one as soon as it is free, with the lock held; the seconds it took."""
        began = self._clock()
        self._waiting += 1
        try:
            while not self._enter(self._waiting):
                stop.check()
                self._freed.wait(_POLL)
        finally:
            self._waiting -= 1
        return self._clock() - began
