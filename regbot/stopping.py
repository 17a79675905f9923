"""The signal that ends a run: on request, at a timeout, or at the end of a lease.

Everything that waits (for a retry, a rate limit, a schedule) waits on a Stop, so that
SIGTERM, Ctrl-C and a script's timeout end it at once. Where machines share a database, a
Stop also says whether this run, or this attempt at a unit, may still change anything.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Literal

from regbot.errors import AttemptEnded, RegbotError, ScriptTimeout, Stopped
from regbot.units import format_duration

Clock = Callable[[], float]
"""Monotonic seconds."""

Sleep = Callable[[threading.Event, float], object]
"""Waits for an event, for at most this many seconds."""

GRACE = 5.0
"""Seconds from the request to stop to the end of the process, unless a command has others."""
ANSWERS_BY = 0.5
"""The part of the grace after which a request that is under way is cut off."""
FINISHED_BY = 0.9
"""The part of the grace after which even what is half done is given up.

What is left is for the journal and the reports.
"""
_LOOKS_AT_ATTEMPT = 0.5
"""Seconds after which who waits looks whether the attempt has ended."""


class _Request:
    """Whether and when somebody asked to stop, as all stops of a process share it."""

    def __init__(self, grace: float, clock: Clock) -> None:
        self.event = threading.Event()
        self.grace = grace
        self._clock = clock
        self._at = math.inf

    def ask(self) -> None:
        self._at = min(self._at, self._clock())
        self.event.set()

    def left(self, part: float) -> float:
        """Seconds until a part of the grace is over; infinite before anybody asked."""
        return max(0.0, self._at + part * self.grace - self._clock())


def time_with_sleep() -> float:
    """Monotonic seconds, those that the machine slept among them, where the system counts them.

    Linux does (``CLOCK_BOOTTIME``). The monotonic clock of macOS goes on in sleep by itself.
    """
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Leased:
    """Work under a lease, and whether it may still change anything; threads share it.

    ``name`` is what messages call it, and ``over`` why it ends with the lease. ``ends`` gives
    until when it may write, by ``clock``: the end of the lease as far as it is known now, or
    sooner by what a registry may need to carry out what it was sent last. Once the work has
    ended it stays so, whatever ``ends`` gives later.
    """

    def __init__(
        self, name: str, over: str, ends: Callable[[], float], clock: Clock = time_with_sleep
    ) -> None:
        self._name = name
        self._over = over
        self._ends = ends
        self._clock = clock
        self._ended = ""

    @property
    def left(self) -> float:
        """The seconds until it ends, as far as is known now."""
        return 0.0 if self._ended else max(0.0, self._ends() - self._clock())

    def end(self, why: str) -> AttemptEnded:
        """End it now, as who asked the database knows. Gives the first reason there was."""
        self._ended = self._ended or why
        return AttemptEnded(f"{self._name} has ended: {self._ended}")

    def reason(self) -> AttemptEnded | None:
        """The reason to change nothing any more, or None."""
        return None if self.left else self.end(self._over)


class Attempt(Leased):
    """One attempt at a unit; ``number`` says the how-manieth."""

    def __init__(
        self, unit: str, number: int, ends: Callable[[], float], clock: Clock = time_with_sleep
    ) -> None:
        name = f"attempt {number} at {unit}"
        super().__init__(name, "the lease of its worker is over", ends, clock)
        self.unit = unit
        self.number = number


class Stop:
    """A request to stop, shared by all parts of a run. It can't be taken back.

    All has to have ended ``grace`` seconds after it.
    """

    def __init__(
        self,
        *,
        timeout: float | None = None,
        grace: float = GRACE,
        request: _Request | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = threading.Event.wait,
        late: str = "",
        attempt: Leased | None = None,
    ) -> None:
        """``late`` is the message at the timeout, if that is not a script's timeout.

        ``attempt`` is what all work is a part of, and ends with.
        """
        self._attempt = attempt
        self._clock = clock
        self._sleep = sleep
        self._timeout = timeout
        self._late = late
        self._deadline = None if timeout is None else clock() + timeout
        self._request = request or _Request(grace, clock)

    def within(self, timeout: float, late: str = "") -> Stop:
        """A stop that also ends after ``timeout`` seconds, with the message ``late``."""
        return Stop(
            timeout=timeout,
            request=self._request,
            clock=self._clock,
            sleep=self._sleep,
            late=late,
            attempt=self._attempt,
        )

    def for_attempt(self, attempt: Leased) -> Stop:
        """A stop that also ends with an attempt at a unit, or with the lease of a run."""
        return Stop(
            timeout=self.remaining,
            request=self._request,
            clock=self._clock,
            sleep=self._sleep,
            late=self.late,
            attempt=attempt,
        )

    def to_finish(self, seconds: float, by: float) -> Stop:
        """A stop for what must not be left half done; neither ``ask`` nor a timeout ends it.

        It ends after ``seconds``, or once the part ``by`` of the grace is over, or with the
        attempt.
        """
        return _Finishing(self._request, self._clock, self._sleep, seconds, by, self._attempt)

    def ask(self) -> None:
        """Request that all work that shares this stop ends."""
        self._request.ask()

    @property
    def asked(self) -> bool:
        """Whether a stop was requested; a timeout doesn't count."""
        return self._request.event.is_set()

    @property
    def grace(self) -> float:
        """The seconds from the request to stop to the end of everything."""
        return self._request.grace

    def left(self, part: float = 1.0) -> float:
        """The seconds until a part of the grace is over: infinite before a stop was requested."""
        return self._request.left(part)

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
        if (ended := self._attempt_ended()) is not None:
            return ended
        if self._request.event.is_set():
            return Stopped("stopped")
        if self._deadline is not None and self._clock() >= self._deadline:
            return ScriptTimeout(self.late)
        return None

    def check(self) -> None:
        """Raise the reason to end, if there is one: Stopped, AttemptEnded or ScriptTimeout."""
        reason = self.reason()
        if reason is not None:
            raise reason

    def check_attempt(self) -> None:
        """Raise AttemptEnded where the attempt has ended: to be called right before a write.

        A request to stop and a timeout don't count, since what has begun may be finished.
        """
        if (ended := self._attempt_ended()) is not None:
            raise ended

    def _attempt_ended(self) -> AttemptEnded | None:
        return self._attempt.reason() if self._attempt else None

    def wait(self, seconds: float) -> None:
        """Sleep, but raise as soon as there is a reason to end."""
        remaining = self.remaining
        self.check()
        self._rest(self._request.event, seconds if remaining is None else min(seconds, remaining))
        self.check()

    def _rest(self, event: threading.Event, seconds: float) -> None:
        """Wait for an event, but no longer than the attempt lasts."""
        while self._attempt is not None and seconds > _LOOKS_AT_ATTEMPT:
            self._sleep(event, _LOOKS_AT_ATTEMPT)
            if event.is_set() or self._attempt.reason():
                return
            seconds -= _LOOKS_AT_ATTEMPT
        self._sleep(event, seconds)


class _Finishing(Stop):
    """See ``Stop.to_finish``."""

    def __init__(
        self,
        request: _Request,
        clock: Clock,
        sleep: Sleep,
        seconds: float,
        by: float,
        attempt: Leased | None,
    ) -> None:
        super().__init__(
            timeout=seconds,
            request=request,
            clock=clock,
            sleep=sleep,
            late="there was no time left to finish",
            attempt=attempt,
        )
        self._ends = clock() + seconds
        self._by = by

    @property
    def remaining(self) -> float:
        return max(0.0, min(self._ends - self._clock(), self.left(self._by)))

    def reason(self) -> RegbotError | None:
        ended = self._attempt_ended()
        return ended or (ScriptTimeout(self.late) if self.remaining == 0.0 else None)

    def wait(self, seconds: float) -> None:
        """Sleep; once somebody has asked to end, that can't wake it any more."""
        self.check()
        event = threading.Event() if self.asked else self._request.event
        self._rest(event, min(seconds, self.remaining))
        self.check()


def ended_by(error: RegbotError) -> Literal["failed", "stopped"]:
    """The status of work that raised an error: ``stopped`` is not a failure."""
    return "stopped" if isinstance(error, Stopped | ScriptTimeout) else "failed"
