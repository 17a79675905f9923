"""How fast one host is asked: rate, concurrency, and slowing down when it suffers.

All scripts of a process share one pace and the ``slots`` of a host; the sender here keeps
to them. Where other processes ask the host too, ``shared_pace`` is the one to keep to.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC

from regbot.errors import ConnectionFailed
from regbot.events import Delayed, Emit, ignore
from regbot.http.exchange import Request, Response, Sender
from regbot.http.slots import Slots
from regbot.http.urls import origin
from regbot.stopping import Clock, Stop
from regbot.values import dataclass

OVERLOADED = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that may be gone on the next try."""

LONGEST_RETRY_AFTER = 300.0

_HEARD_FOR = 600.0
"""Seconds after its last answer in which a host that can't be reached may be restarting."""

_ABSENT_FOR = 30.0
"""Seconds that a host is not asked after all tries to reach it."""
_POLL = 0.1
BY_RATE = "requests per second"
SLOWED = "slowed down"
_MOST_STEPS = 12

Wait = Callable[[Stop, float], None]
"""Sleeps for seconds, or raises what the Stop says."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often to try, and seconds of the first and the longest back-off."""

    tries: int = 5
    first: float = 0.25
    longest: float = 30.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a pace needs of the world outside: time, chance, and who listens.

    ``wall`` is seconds since 1970, for dates that servers send.
    """

    clock: Clock
    wall: Clock
    wait: Wait
    chance: Callable[[], float]
    emit: Emit


class Pace:
    """When the next request may start.

    A failure doubles the time between the requests of the whole host, a success
    halves it; the failures of requests that were under way together count once.

    ``absence`` is why nobody is to ask the host for now: it could not be reached in
    several tries, and was not heard of lately. It is empty for any other host.
    """

    def __init__(
        self,
        host: str,
        world: Surroundings,
        *,
        rate: float = 0.0,
        patience: Patience = Patience(),
    ) -> None:
        self._host = host
        self._world = world
        self._patience = patience
        self._gap = 1 / rate if rate > 0 else 0.0
        self._steps = 0
        self._slowed_at = float("-inf")
        self._next = float("-inf")
        self._held_until = float("-inf")
        self._why = BY_RATE
        self._heard_at = float("-inf")
        self._absent_until = float("-inf")
        self.absence = ""
        self._lock = threading.Lock()

    def start(self, stop: Stop, emit: Emit = ignore) -> float:
        """Wait for this request's turn, but not for an absent host. Gives the time it starts at.

        ``emit`` is told of the wait.
        """
        while True:
            stop.check()
            with self._lock:
                now = self._world.clock()
                self._hear_of_others(now)
                if self.absence and now < self._absent_until:
                    return now
                if self.absence:
                    self.absence, self._steps, self._next = "", 0, now
                delay = self._next - now
                why = self._why
                if delay <= 0:
                    self._next = now + max(self._gap, self._spacing())
                    self._why = SLOWED if self._steps else BY_RATE
                    return now
            emit(Delayed(self._host, delay, why, is_backoff=why is not BY_RATE))
            self._world.wait(stop, delay)

    def lease(self, began: float, stop: Stop, emit: Emit = ignore) -> float:  # noqa: ARG002
        """Wait for a time that no other process has, for a request that holds its slot.

        Gives that time, which is ``began`` where no others ask the host.
        """
        return began

    def refused(self, began: float, why: str, retry_after: float | None) -> None:
        """Slow down, as all processes do, after an answer that asks for it."""
        self.failed(began, why, retry_after)

    def failed(self, began: float, why: str, retry_after: float | None = None) -> None:
        """Slow down after a request that began at ``began``.

        ``retry_after`` is what the server asked for, in seconds.
        """
        with self._lock:
            self._heard_at, self.absence = self._world.clock(), ""
            self._slow_down(began, why, min(retry_after or 0.0, LONGEST_RETRY_AFTER))

    def unreached(self, began: float, why: str) -> None:
        """Slow down after a request that found nobody there, or take the host for absent."""
        with self._lock:
            self._slow_down(began, "the connection failed", 0.0)
            now = self._world.clock()
            if self._steps >= self._patience.tries and now - self._heard_at > _HEARD_FOR:
                self.absence, self._absent_until = why, now + _ABSENT_FOR

    @property
    def held(self) -> bool:
        """Whether the host is left alone for now, after a failure."""
        return self._world.clock() < self._held_until

    def succeeded(self) -> None:
        """Speed up again, one step."""
        self._heard_at = self._world.clock()
        if self._steps:
            with self._lock:
                self._steps, self.absence = max(0, self._steps - 1), ""

    def _slow_down(self, began: float, why: str, delay: float) -> None:
        """Let the next request wait for ``delay`` seconds at least, with the lock held."""
        now = self._world.clock()
        if began >= self._slowed_at:
            self._steps = min(self._steps + 1, _MOST_STEPS)
            self._slowed_at = now
            delay = max(delay, self._spacing() * (0.5 + self._world.chance() / 2))
        self._held_until = max(self._held_until, now + delay)
        if now + delay > self._next:
            self._next, self._why = now + delay, why

    def _hear_of_others(self, now: float) -> None:
        """Do as other processes that the host refused, with the lock held."""

    def _spacing(self) -> float:
        if not self._steps:
            return 0.0
        return float(min(self._patience.first * 2 ** (self._steps - 1), self._patience.longest))


class PacedSender:
    """Keeps to the pace and the slots of a host, and tells the pace how it went.

    Without ``slots`` any number of requests may be open at once.
    """

    def __init__(
        self, inner: Sender, pace: Pace, slots: Slots | None, *, world: Surroundings, stop: Stop
    ) -> None:
        self._inner = inner
        self._pace = pace
        self._slots = slots
        self._world = world
        self._stop = stop

    def send(self, request: Request) -> Response:
        """Send it in its turn, or at once when it is urgent. Fails while the host is absent."""
        if request.urgent:
            return self._inner.send(request)
        began = self._pace.start(self._stop, self._world.emit)
        if absence := self._pace.absence:
            raise ConnectionFailed(absence, method=request.method, url=request.url, retry=False)
        give_back = self._slots.take(self._stop, self._world.emit) if self._slots else None
        try:
            began = self._pace.lease(began, self._stop, self._world.emit)
            answer = self._inner.send(request)
        except BaseException as error:
            if give_back:
                give_back()
            if isinstance(error, ConnectionFailed) and error.retry:
                self._note(began, request, error)
            raise
        if give_back:
            answer.hold(give_back)
        if answer.status in OVERLOADED and answer.status not in request.expect:
            after = parse_retry_after(answer.headers.get("Retry-After", ""), self._world.wall())
            self._pace.refused(began, f"status {answer.status}", after)
        else:
            self._pace.succeeded()
        return answer

    def _note(self, began: float, request: Request, error: ConnectionFailed) -> None:
        """Tell the pace of a failure; a host that redirected to another one was there."""
        if error.reached or origin(error.url) != origin(request.url):
            self._pace.failed(began, "the connection failed")
        else:
            self._pace.unreached(began, error.why)


def acquire(lock: threading.Lock | threading.Semaphore, stop: Stop) -> None:
    """Take a lock, but raise as soon as the Stop says so."""
    stop.check()
    while not lock.acquire(timeout=_POLL):
        stop.check()


@contextmanager
def turn(lock: threading.Lock, stop: Stop) -> Iterator[None]:
    """Hold a lock for a block."""
    acquire(lock, stop)
    try:
        yield
    finally:
        lock.release()


def leading_count(value: str) -> int | None:
    """The number that a header begins with, as in ``RateLimit-Remaining: 76;w=21600``."""
    match = re.match(r"\s*([0-9]{1,18})\s*(?:[,;]|$)", value)
    return int(match[1]) if match else None


def parse_retry_after(value: str, now: float) -> float | None:
    """Seconds to wait, from seconds or an HTTP date (RFC 9110, section 10.2.3).

    ``now`` is seconds since 1970. None for what is neither.
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    try:
        return max(0.0, date.timestamp() - now)
    except (ValueError, OverflowError):
        return None
