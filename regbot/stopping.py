"""One signal that ends a run: asked to stop, or out of time.

Whatever waits (a retry, a rate limit, a schedule) waits on a Stop, so that
SIGTERM, Ctrl-C and a script's timeout end it at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from regbot.errors import RegbotError, ScriptTimeout, Stopped
from regbot.units import format_duration

Clock = Callable[[], float]
"""Monotonic seconds."""


class Stop:
    """Asked once, stays asked, for all that share it."""

    def __init__(
        self,
        *,
        timeout: float | None = None,
        asked: threading.Event | None = None,
        clock: Clock = time.monotonic,
        late: str = "",
    ) -> None:
        """``late`` is what is said when the timeout is over, where that is no script's."""
        self._clock = clock
        self._timeout = timeout
        self._late = late
        self._deadline = None if timeout is None else clock() + timeout
        self._asked = asked or threading.Event()

    def within(self, timeout: float) -> Stop:
        """A stop that also ends after ``timeout`` seconds."""
        return Stop(timeout=timeout, asked=self._asked, clock=self._clock)

    def ask(self) -> None:
        """End all the work that shares this stop."""
        self._asked.set()

    @property
    def asked(self) -> bool:
        """Whether somebody asked to end, time-outs aside."""
        return self._asked.is_set()

    @property
    def remaining(self) -> float | None:
        """Seconds until the timeout; None without one, 0 when it is over."""
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - self._clock())

    @property
    def late(self) -> str:
        """What is said when the timeout is over; empty without one."""
        if self._timeout is None or self._late:
            return self._late
        return f"ran longer than its timeout of {format_duration(self._timeout)}"

    def reason(self) -> RegbotError | None:
        """Why the work must end now, or None."""
        if self.asked:
            return Stopped("stopped")
        if self.remaining == 0.0:
            return ScriptTimeout(self.late)
        return None

    def check(self) -> None:
        """Raise the reason to end, if there is one: Stopped or ScriptTimeout."""
        reason = self.reason()
        if reason is not None:
            raise reason

    def wait(self, seconds: float) -> None:
        """Sleep, but raise as soon as there is a reason to end."""
        remaining = self.remaining
        self.check()
        self._asked.wait(seconds if remaining is None else min(seconds, remaining))
        self.check()
