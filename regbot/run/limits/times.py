"""The times at which a process may start requests, out of those that it has leased."""

from __future__ import annotations

import math

from regbot.values import dataclass

_AHEAD = 0.25
"""Seconds' worth of requests that are leased together at most."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Times that nobody else has: ``count`` of them, ``gap`` seconds each, from ``starts`` on.

    ``is_alone``: no other process asks the host, so nobody misses a time that is lost.
    """

    starts: float
    gap: float
    count: int
    is_alone: bool

    @property
    def ends(self) -> float:
        """When the last of them is over."""
        return self.starts + self.count * self.gap


class Times:
    """Hands out the times of one lease after the other, and says how many to lease next.

    Each time is for one request, which starts before the next one begins: a time that
    nobody took is lost. So a process leases more and more while it uses all of them or is
    alone, and else as many as it used of the last ones.
    """

    def __init__(self) -> None:
        self._lease = Lease(0.0, 1.0, 0, is_alone=False)
        self._next = 0
        self._used = 0
        self._likely = 1

    def take(self, now: float, not_before: float) -> float | None:
        """The next time that is neither over nor too early; None once there is none left."""
        lease = self._lease
        first = max(self._next, math.floor((now - lease.starts) / lease.gap))
        if not_before > now:
            first = max(first, math.ceil((not_before - lease.starts) / lease.gap))
        if first >= lease.count:
            if lease.count:
                self._forget(now)
            return None
        self._next = first + 1
        self._used += 1
        return max(now, lease.starts + first * lease.gap)

    def add(self, lease: Lease) -> None:
        """Take over what was leased, in place of what is left."""
        self._lease, self._next, self._used = lease, 0, 0

    def count(self, rate: float, waiting: int, *, goes_on: bool) -> int:
        """How many to lease next, where so many threads wait.

        ``goes_on`` False: the slots for open requests may be somebody else's in a moment, so
        that what is leased beyond those threads would be lost.
        """
        likely = self._likely if goes_on else 1
        return max(1, min(math.floor(rate * _AHEAD), max(waiting, likely)))

    def _forget(self, now: float) -> None:
        lease = self._lease
        all_used = self._used == lease.count and now < lease.ends
        self._likely = 2 * lease.count if all_used or lease.is_alone else max(1, self._used)
        self._lease = Lease(lease.starts, lease.gap, 0, is_alone=False)
