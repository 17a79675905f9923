"""The pace of a host that other processes ask too; ``sharing`` says what is this one's part."""

from __future__ import annotations

from regbot.events import Delayed, Emit, ignore
from regbot.http.pacing import BY_RATE, SLOWED, Pace, Patience, Surroundings
from regbot.http.sharing import HostLimits
from regbot.stopping import Stop

_LOOKED_EVERY = 0.1
"""Seconds after which who waits looks whether it has to stop."""
_SAME = 0.1
"""Seconds by which a time may differ that another process heard of by a database."""
_LONG = 1.0
"""Seconds after which it is worth a word that a database was waited for."""


class SharedPace(Pace):
    """When the next request of all processes may start.

    What the host answers to one of them slows all of them down. That it can't be reached is
    this process's own affair.
    """

    def __init__(
        self, host: str, world: Surroundings, *, patience: Patience, shared: HostLimits
    ) -> None:
        super().__init__(host, world, patience=patience)
        self._shared = shared

    def lease(self, began: float, stop: Stop, emit: Emit = ignore) -> float:  # noqa: ARG002
        """Wait for a time that no other process has; see ``Pace.lease``."""
        shared = self._shared
        while True:
            stop.check()
            asked_at = self._world.clock()
            while (starts := shared.start(_LOOKED_EVERY)) is None:
                stop.check()
            now = self._world.clock()
            if now - asked_at > _LONG:
                emit(Delayed(self._host, now - asked_at, "no answer from the database"))
            if now < starts:
                held = now < shared.held_until
                why = SLOWED if held else BY_RATE
                emit(Delayed(self._host, starts - now, why, is_backoff=held))
                self._world.wait(stop, starts - now)
                now = self._world.clock()
            if now >= shared.held_until:
                return now

    def refused(self, began: float, why: str, retry_after: float | None) -> None:
        """Slow down, and have all processes do so."""
        super().refused(began, why, retry_after)
        self._shared.hold(self._held_until - self._world.clock(), self._steps)

    @property
    def held(self) -> bool:
        """Whether the host is left alone for now, after a failure of any process."""
        return super().held or self._world.clock() < self._shared.held_until

    def _hear_of_others(self, now: float) -> None:
        """Do as a process that the host refused, if that is news, with the lock held."""
        others = self._shared
        if others.held_until <= max(now, self._held_until + _SAME):
            return
        self._held_until, self._slowed_at = others.held_until, now
        self._steps = max(self._steps, others.steps)
        if self._held_until > self._next:
            self._next, self._why = self._held_until, SLOWED
