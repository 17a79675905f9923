"""One host, as a process that shares it with others knows it.

Threads that send requests read and change what is in memory here; the thread of
``SharedLimits`` alone asks the database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from regbot.run.limits.shares import Claim, has_too_few, share_of, smallest_rate
from regbot.run.limits.table import HostRow, LimitTable
from regbot.run.limits.times import Lease, Times
from regbot.stopping import Clock

_EVERY = 1.0
"""Seconds between two looks at a host in use."""

_EVERY_WAITING = 0.2
"""The same where this process has no slot and waits for one."""

_WANTED_FOR = 2.0
"""Seconds after which slots that nobody used are given back."""

_RETRIED_WITHIN = 0.05
"""Seconds at most until the next try, where another process wrote at the same time."""


class Keeper(Protocol):
    """The thread that asks the database."""

    def wake(self) -> None:
        """Look at once which host wants something."""
        ...

    def check(self) -> None:
        """Raise StorageError where the database hasn't answered for long."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether the claims of this process hold."""
        ...


class SharedHost:
    """The slots, the times and the back-off of a host; see ``http.sharing.HostLimits``."""

    def __init__(
        self,
        host: str,
        name: str,
        *,
        rate: float,
        at_once: int,
        freed: Callable[[], None],
        keeper: Keeper,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self.host = host
        self.name = name
        self.due = float("inf")
        self._limits = Claim(0, 0, 0.0, rate, at_once)
        self._rate = rate
        self._tell_freed = freed
        self._keeper = keeper
        self._clock = clock
        self._chance = chance
        self._lock = threading.Lock()
        self._allowed = 0
        self._open = 0
        self._wanted = 0
        self._wanted_before = 0
        self._wanted_since = clock()
        self._times = Times()
        self._is_alone = False
        self._has_too_few = False
        self._leased = threading.Condition(self._lock)
        self._waiting = 0
        self._wants_times = False
        self._held: tuple[float, int] = (float("-inf"), 0)
        self._hold_to_tell: tuple[float, int] | None = None

    @property
    def is_used(self) -> bool:
        """Whether there is anything to ask the database for it."""
        return self.due < float("inf") or self._wants_times or self._hold_to_tell is not None

    @property
    def held_until(self) -> float:
        """Until when some process had the host left alone."""
        return self._held[0]

    @property
    def steps(self) -> int:
        """How much the process that did so had slowed down."""
        return self._held[1]

    def enter(self, wanting: int) -> bool:
        """Take a slot; see ``HostLimits``."""
        self._keeper.check()
        with self._lock:
            wanted = self._open + wanting
            is_news = wanted > max(self._wanted, self._wanted_before)
            self._wanted = max(self._wanted, wanted)
            if self._open < self._allowed and self._keeper.is_alive:
                self._open += 1
                return True
            if is_news:
                self._ask_now()
            return False

    def leave(self) -> None:
        """Give a slot back, to the others at once where it is due to them."""
        with self._lock:
            if self._open > self._allowed:
                self._ask_now()
            self._open -= 1

    def start(self, patience: float) -> float | None:
        """Take a time; see ``HostLimits``."""
        self._keeper.check()
        with self._lock:
            if not self._rate:
                return max(self._clock(), self.held_until)
            time = self._times.take(self._clock(), self.held_until)
            if time is None:
                self._wants_times = True
                self._keeper.wake()
                self._waiting += 1
                try:
                    self._leased.wait(patience)
                finally:
                    self._waiting -= 1
                time = self._times.take(self._clock(), self.held_until)
            return time

    def hold(self, seconds: float, steps: int) -> None:
        """Leave the host alone, and have the others told."""
        with self._lock:
            until = self._clock() + seconds
            self._held = self._hold_to_tell = max(self._held[0], until), steps
        self._keeper.wake()

    def tell(self, table: LimitTable) -> None:
        """Write down a back-off, if there is one to be told."""
        if hold := self._hold_to_tell:
            until, steps = hold
            table.hold(self.host, until - self._clock(), steps)
            with self._lock:
                if self._hold_to_tell == hold:
                    self._hold_to_tell = None

    def lease_times(self, table: LimitTable) -> None:
        """Lease times, if threads wait for some."""
        with self._lock:
            if not self._wants_times:
                return
            gap = 1 / self._rate
            count = self._times.count(self._rate, self._waiting, goes_on=not self._has_too_few)
        begin_in = table.lease_times(self.host, count * gap)
        with self._lock:
            starts = self._clock() + begin_in
            self._times.add(Lease(starts, gap, count, self._is_alone))
            self._wants_times = False
            self._leased.notify_all()

    def settle(self, row: HostRow, table: LimitTable) -> bool:
        """Take what is this process's due by the row, and write its claim down.

        True where it wants nothing any more, and its claim is to be given back.
        """
        written = row.claims.get((table.process, self.name))
        mine = written or self._limits
        others = [claim for key, claim in row.claims.items() if key != (table.process, self.name)]
        with self._lock:
            if row.held > 0:
                self._held = max(self._held, (self._clock() + row.held, row.steps))
            self._rate = smallest_rate([mine, *others])
            self._is_alone = not any(other.wanted for other in others)
            wanted = self._recently_wanted()
            claim = replace(mine, wanted=wanted)
            self._has_too_few = has_too_few([claim, *others])
            share = share_of(claim, others)
            has_grown = share > self._allowed
            self._allowed = min(self._allowed, share)
            claim = replace(claim, granted=max(share, self._open))
            self.due = self._clock() + (_EVERY_WAITING if wanted and not share else _EVERY)
        if not claim.wanted and not claim.granted:
            return True
        if claim == written or table.write(self.host, row.version, self.name, claim):
            self._allowed = share
            if has_grown:
                self._tell_freed()
        else:
            self.due = self._clock() + self._chance() * _RETRIED_WITHIN
        return False

    def rest(self) -> None:
        """Look no more now that the claim is given back, unless a thread wants a slot by now."""
        with self._lock:
            if not self._wanted:
                self.due = float("inf")

    def lapse(self) -> None:
        """Have no slots any more, since others may have taken them."""
        with self._lock:
            self._allowed = 0
            self.due = self._clock() if self._open or self._wanted else self.due

    def _ask_now(self) -> None:
        self.due = float("-inf")
        self._keeper.wake()

    def _recently_wanted(self) -> int:
        """How many slots were wanted at once lately, with the lock held."""
        now = self._clock()
        if now - self._wanted_since >= _WANTED_FOR / 2:
            self._wanted_before, self._wanted = self._wanted, self._open
            self._wanted_since = now
        return max(self._wanted_before, self._wanted)
