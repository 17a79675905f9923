"""Ends the connections of a run that has to end.

A thread that waits for a silent server looks at nothing else, so another one looks
at its Stop for it. A request in flight gets some seconds to finish, since an answer
to a write is worth knowing.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from regbot.stopping import Clock, Stop

GRACE = 3.0
_POLL = 0.2


@dataclass(slots=True)
class Flight:
    """One exchange under way, and when it was first seen that it has to end."""

    stop: Stop
    connection: socket.socket | None = None
    ending_since: float | None = None


class Cutter:
    """Knows all exchanges under way; its thread lives only while there are some."""

    def __init__(self, clock: Clock, grace: float = GRACE) -> None:
        self._clock = clock
        self._grace = grace
        self._lock = threading.Lock()
        self._flights: list[Flight] = []
        self._running = False
        self._here = threading.local()
        self._forgotten: queue.SimpleQueue[Iterable[Callable[[], None]]] = queue.SimpleQueue()

    @contextmanager
    def sending(self, stop: Stop) -> Iterator[Flight]:
        """A new flight, which the connections that this thread uses meanwhile are for.

        It lasts until ``landed``, also after the block. Blocks may nest: the content
        of one request may be read by another.
        """
        flight = Flight(stop)
        outer: Flight | None = getattr(self._here, "flight", None)
        self._here.flight = flight
        with self._lock:
            self._flights.append(flight)
            if not self._running:
                self._running = True
                threading.Thread(target=self._watch, name="regbot-cutter", daemon=True).start()
        try:
            yield flight
        except BaseException:
            self.landed(flight)
            raise
        finally:
            self._here.flight = outer

    def uses(self, connection: object) -> None:
        """The flight of this thread goes over a connection."""
        flight: Flight | None = getattr(self._here, "flight", None)
        if flight is not None and isinstance(connection, socket.socket):
            flight.connection = connection

    def landed(self, flight: Flight) -> None:
        """The exchange is over."""
        with self._lock:
            flight.connection = None
            self._flights = [x for x in self._flights if x is not flight]

    def forgotten(self, closing: Iterable[Callable[[], None]]) -> None:
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
                self._look(flight)

    def _look(self, flight: Flight) -> None:
        if flight.stop.reason() is None:
            return
        now = self._clock()
        if flight.ending_since is None:
            flight.ending_since = now
        if now - flight.ending_since < self._grace:
            return
        with self._lock, contextlib.suppress(OSError):
            if flight.connection is not None:
                # Past ssl, which must not be called by two threads at once.
                socket.socket.shutdown(flight.connection, socket.SHUT_RDWR)


def in_turn(calls: Iterable[Callable[[], None]]) -> None:
    """Make all calls, the last one first, even when one of them raises."""
    with ExitStack() as stack:
        for call in calls:
            stack.callback(call)
