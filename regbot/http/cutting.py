"""Ends exchanges that have to end, whatever their server does.

A thread that waits for a server looks at nothing else, and a server that sends a byte
now and then keeps it waiting past any time-out of its socket. So another thread looks
at the clock and at the Stop for it, and cuts the connection.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from regbot.errors import AttemptEnded, Stopped
from regbot.http.exchange import in_turn
from regbot.stopping import ANSWERS_BY, Clock, Stop
from regbot.values import dataclass

_POLL = 0.2


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for a connection, and between two pieces of an answer.

    All headers together may take ``read``, too.
    """

    connect: float = 10.0
    read: float = 60.0


Closing = list[Callable[[], object]]


class Flight:
    """One exchange under way. The ``with`` block is the part until its headers are there.

    The connections that the thread uses within the block are those of the flight.
    Blocks may nest: the content of one request may be read by another. The flight
    lasts until ``land``, or an exception in the block.
    """

    __slots__ = (
        "_cutter",
        "_outer",
        "connection",
        "seconds",
        "stop",
        "until",
        "was_cut",
    )

    def __init__(self, cutter: Cutter, stop: Stop, seconds: float) -> None:
        self._cutter = cutter
        self.seconds = seconds
        self._outer: Flight | None = None
        self.stop = stop
        self.connection: socket.socket | None = None
        self.until: float | None = None
        self.was_cut = False

    def __enter__(self) -> Self:
        self._outer = self._cutter.take_off(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.until = None
        self._cutter.leave(self._outer)
        if error is not None:
            self.land()

    def check(self) -> None:
        """Raise TimeoutError after a cut: what came before it may look like a whole answer."""
        if self.was_cut:
            raise TimeoutError

    def land(self) -> None:
        """The exchange is over, and its connection may be another's."""
        self._cutter.land(self)


class Cutter:
    """Knows all exchanges under way; its thread lives only while there are some.

    When somebody asked its run to stop, an exchange still gets a part of the grace, since
    an answer to a write is worth knowing. One that is out of time gets none, and neither
    does one of an attempt that has ended.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._flights: set[Flight] = set()
        self._running = False
        self._here = threading.local()
        self._forgotten: queue.SimpleQueue[Closing] = queue.SimpleQueue()

    def flight(self, stop: Stop, seconds: float) -> Flight:
        """A new exchange, whose headers have to be there ``seconds`` after it was sent."""
        return Flight(self, stop, seconds)

    def take_off(self, flight: Flight) -> Flight | None:
        """Watch a flight of this thread; gives the one that it was at."""
        outer: Flight | None = getattr(self._here, "flight", None)
        self._here.flight = flight
        with self._lock:
            self._flights.add(flight)
            if not self._running:
                self._running = True
                threading.Thread(target=self._watch, name="regbot-cutter", daemon=True).start()
        return outer

    def leave(self, outer: Flight | None) -> None:
        """Put this thread back on the outer flight."""
        self._here.flight = outer

    def land(self, flight: Flight) -> None:
        """Watch a flight no longer."""
        with self._lock:
            flight.connection = None
            self._flights.discard(flight)

    def uses(self, connection: object) -> None:
        """The flight of this thread sends over a connection."""
        flight: Flight | None = getattr(self._here, "flight", None)
        if flight is not None and isinstance(connection, socket.socket):
            flight.connection = connection

    def check(self) -> None:
        """Raise TimeoutError where this thread has sent nothing yet, and its run has to end."""
        flight: Flight | None = getattr(self._here, "flight", None)
        if flight is not None and flight.stop.reason() is not None:
            raise TimeoutError

    def check_attempt(self) -> None:
        """Raise AttemptEnded where this thread sends for an attempt that has ended."""
        flight: Flight | None = getattr(self._here, "flight", None)
        if flight is not None:
            flight.stop.check_attempt()

    def waits(self) -> None:
        """The flight of this thread has sent everything, and waits for the headers."""
        flight: Flight | None = getattr(self._here, "flight", None)
        if flight is not None:
            flight.until = self._clock() + flight.seconds

    def forgotten(self, closing: Closing) -> None:
        """Nobody holds an answer any more, and nobody closed it: the thread does.

        The garbage collector says so, in any thread and while it holds any lock, so
        nothing more may be done here.
        """
        self._forgotten.put(closing)

    def _watch(self) -> None:
        pause = threading.Event()
        while not pause.wait(_POLL):
            while not self._forgotten.empty():
                in_turn(self._forgotten.get())
            with self._lock:
                flights = list(self._flights)
                self._running = bool(flights)
                if not flights:
                    return
            for flight in flights:
                if self._has_to_end(flight):
                    self._cut(flight)

    def _has_to_end(self, flight: Flight) -> bool:
        now, until = self._clock(), flight.until
        if until is not None and now >= until:
            return True
        reason = flight.stop.reason()
        if isinstance(reason, Stopped) and not isinstance(reason, AttemptEnded):
            return flight.stop.left(ANSWERS_BY) <= 0
        return reason is not None

    def _cut(self, flight: Flight) -> None:
        with self._lock, contextlib.suppress(OSError):
            if flight.connection is not None:
                flight.was_cut = True
                # Past ssl, which must not be called by two threads at once.
                socket.socket.shutdown(flight.connection, socket.SHUT_RDWR)
