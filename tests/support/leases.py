"""A lease in a time that stands still but for one pause, and what is done without a look at it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from regbot.stopping import Attempt, Stop

UNTIL = 30.0
"""When it ends."""


@dataclass(slots=True)
class Lease:
    """The lease of an attempt; the process can be suspended for longer than it lasts.

    ``before``: the look at the clock before which that happens, counted from 1.
    """

    before: int = 0
    looks: int = 0
    now: float = 0.0
    late: bool = False
    until: float = UNTIL
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _here: threading.local = field(default_factory=threading.local)

    def clock(self) -> float:
        with self._lock:
            self.looks += 1
            if self.looks == self.before:
                self.pause()
            self._here.seen = self.now
            return self.now

    def acts(self) -> None:
        """A thread does what can't be taken back: it must have looked just now, and in time."""
        self.late |= getattr(self._here, "seen", self.until) >= self.until
        self._here.seen = self.until

    def pause(self) -> None:
        self.now += 2 * UNTIL

    @property
    def is_over(self) -> bool:
        return self.now >= self.until

    def stop(self) -> Stop:
        attempt = Attempt("clean@team/app", 1, lambda: self.until, self.clock)
        return Stop(sleep=lambda *_: None).for_attempt(attempt)
