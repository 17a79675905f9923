"""The signal that ends a run: on request, or at a timeout.

Everything that waits (for a retry, a rate limit, a schedule) waits on a Stop, so that
SIGTERM, Ctrl-C and a script's timeout end it at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal

from regbot.errors import RegbotError, ScriptTimeout, Stopped
from regbot.units import format_duration

Clock = Callable[[], float]
"""Monotonic seconds."""

Sleep = Callable[[threading.Event, float], object]
"""Waits for an event, for at most this many seconds."""


class Stop:
    """A request to stop, shared by all parts of a run. It can't be taken back."""

    def __init__(
        self,
        *,
        timeout: float | None = None,
        asked: threading.Event | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = threading.Event.wait,
        late: str = "",
    ) -> None:
        """``late`` is the message at the timeout, if that is not a script's timeout."""
        self._clock = clock
        self._sleep = sleep
        self._timeout = timeout
        self._late = late
        self._deadline = None if timeout is None else clock() + timeout
        self._asked = asked or threading.Event()

    def within(self, timeout: float, late: str = "") -> Stop:
        """A stop that also ends after ``timeout`` seconds, with the message ``late``."""
        return Stop(
            timeout=timeout,
            asked=self._asked,
            clock=self._clock,
            sleep=self._sleep,
            late=late,
        )

    def to_finish(self, seconds: float, once_asked: float) -> Stop:
        """A stop for what must not be left half done; neither ``ask`` nor a timeout ends it.

        It ends after ``seconds``, or ``once_asked`` seconds after somebody asked to end.
        """
        return _Finishing(self._asked, self._clock, self._sleep, seconds, once_asked)

    def ask(self) -> None:
        """Request that all work that shares this stop ends."""
        self._asked.set()

    @property
    def asked(self) -> bool:
        """Whether a stop was requested; a timeout doesn't count."""
        return self._asked.is_set()

    @property
    def remaining(self) -> float | None:
        """The seconds until the timeout: 0 after it, None without one."""
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - self._clock())

    @property
    def late(self) -> str:
        """The message at the timeout; empty without one."""
        if self._timeout is None or self._late:
            return self._late
        timeout = format_duration(self._timeout)
        return f"ran longer than its timeout of {timeout} (set a longer timeout)"

    def reason(self) -> RegbotError | None:
        """The reason to end now, or None."""
        if self._asked.is_set():
            return Stopped("stopped")
        if self._deadline is not None and self._clock() >= self._deadline:
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
        self._sleep(self._asked, seconds if remaining is None else min(seconds, remaining))
        self.check()


class _Finishing(Stop):
    """See ``Stop.to_finish``."""

    def __init__(
        self, asked: threading.Event, clock: Clock, sleep: Sleep, seconds: float, once_asked: float
    ) -> None:
        late = "there was no time left to finish"
        super().__init__(timeout=seconds, asked=asked, clock=clock, sleep=sleep, late=late)
        self._ends = clock() + seconds
        self._once_asked = once_asked
        self._hurried = False

    @property
    def remaining(self) -> float:
        if self.asked and not self._hurried:
            self._hurried = True
            self._ends = min(self._ends, self._clock() + self._once_asked)
        return max(0.0, self._ends - self._clock())

    def reason(self) -> RegbotError | None:
        return ScriptTimeout(self.late) if self.remaining == 0.0 else None

    def wait(self, seconds: float) -> None:
        """Sleep; once somebody has asked to end, that can't wake it any more."""
        self.check()
        event = threading.Event() if self.asked else self._asked
        self._sleep(event, min(seconds, self.remaining))
        self.check()


def ended_by(error: RegbotError) -> Literal["failed", "stopped"]:
    """The status of work that raised an error: ``stopped`` is not a failure."""
    return "stopped" if isinstance(error, Stopped | ScriptTimeout) else "failed"
