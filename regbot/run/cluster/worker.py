"""A worker: takes units that wait, has each done as an attempt, and says how it ended.

It outlives its database. While that is away, what runs goes on until the end of the lease,
and how it ended is told as soon as there is somebody to tell; nothing new begins.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Protocol

from regbot.errors import Stopped, StorageError, text_of
from regbot.events import Emit, Message
from regbot.run.cluster.progress import State
from regbot.run.cluster.units import CANCELLED, Following, Taken, Units
from regbot.stopping import Attempt, Clock, Stop, time_with_sleep
from regbot.values import dataclass

MOST_FAILURES = 3
"""Attempts at a unit that may come to nothing by themselves."""
_LOST = "its worker ended or was cut off {count} times (the log of the workers may say why)"


class Lease(Protocol):
    """Until when a worker counts as alive. Once over, it is never renewed."""

    worker: str

    @property
    def ends(self) -> float:
        """Until when, as far as is known now, by the clock that goes on in sleep."""

    @property
    def has_ended(self) -> bool:
        """Whether it is over."""


class Leases(Protocol):
    """Where this process gets its lease."""

    def lease(self) -> Lease:
        """The lease of now, a new one where the last has ended. Raises StorageError."""


class Calls(Protocol):
    """Who calls workers to units."""

    def work(
        self,
        fingerprint: str,
        do: Callable[[str], None],
        threads: Executor,
        most: int,
        has_ended: Callable[[], bool],
    ) -> None:
        """Do units of a config, at most so many at once, until that has ended or is cut off."""


@dataclass(frozen=True, slots=True)
class Done:
    """How an attempt ended: the new state of its unit, and what follows the unit.

    In state ``waiting`` the unit is to be tried again, if it may.
    """

    state: State
    error: str
    result: bytes | None
    following: Following


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker does: the units of the config with this ``fingerprint``.

    ``do`` does one; ``give_up`` says what becomes of one of which all attempts came to nothing,
    with the reason.
    """

    fingerprint: str
    do: Callable[[Taken, Attempt], Done]
    give_up: Callable[[Taken, str], Done]


@dataclass(frozen=True, slots=True)
class Times:
    """The seconds that a worker waits.

    ``look``: from one look at the units to the next. ``second_attempt``: before that, and each
    further attempt three times as long. ``shortest``, ``longest``: before the queue is tried
    again when it was gone. ``margin``: what is left of a lease when nothing may begin or be
    written any more. ``lost_call``: until a unit that waits is called out again.
    """

    look: float = 1.0
    second_attempt: float = 5.0
    shortest: float = 0.5
    longest: float = 15.0
    margin: float = 3.0
    lost_call: float = 10.0


TIMES = Times()


class Worker:
    """Does units of one config, a number of them at once."""

    def __init__(
        self,
        units: Units,
        calls: Calls,
        leases: Leases,
        work: Work,
        emit: Emit,
        times: Times = TIMES,
        clock: Clock = time_with_sleep,
    ) -> None:
        self._units = units
        self._calls = calls
        self._leases = leases
        self._work = work
        self._emit = emit
        self._times = times
        self._clock = clock
        self._lock = threading.Lock()
        self._attempts: dict[tuple[str, int], tuple[Attempt, str]] = {}
        self._retired = threading.Event()
        self._trouble = ""

    def retire(self) -> None:
        """Begin no other unit; those under way are done."""
        self._retired.set()

    def work(self, stop: Stop, concurrency: int) -> None:
        """Do units until stopped; those under way are given back when they can't end in time."""

        def has_ended() -> bool:
            return stop.asked or self._retired.is_set()

        ended = threading.Event()
        looking = threading.Thread(target=self._look, args=(ended,), name="units")
        looking.start()
        pause = self._times.shortest
        try:
            with ThreadPoolExecutor(concurrency, thread_name_prefix="unit") as threads:
                while not has_ended():
                    began = self._clock()
                    with self._telling("can't take units"):
                        self._calls.work(
                            self._work.fingerprint,
                            lambda unit: self._attempt(unit, stop),
                            threads,
                            concurrency,
                            has_ended,
                        )
                    if self._clock() - began > self._times.longest:
                        pause = self._times.shortest
                    if not has_ended():
                        with suppress(Stopped):
                            stop.wait(pause)
                    pause = min(self._times.longest, 2 * pause)
        finally:
            ended.set()
            looking.join()

    def _attempt(self, unit: str, stop: Stop) -> None:
        """Take a unit, if it still waits, and have it done."""
        with self._telling("can't take a unit"):
            lease = self._leases.lease()
            if stop.asked or lease.ends - self._clock() < self._times.margin:
                return
            taken = self._units.take(unit, lease.worker)
            if taken:
                self._do(taken, lease, stop)

    def _do(self, taken: Taken, lease: Lease, stop: Stop) -> None:
        def ends() -> float:
            return 0.0 if lease.has_ended else lease.ends - self._times.margin

        attempt = Attempt(taken.id, taken.number, ends, self._clock)
        key = taken.id, taken.number
        with self._lock:
            self._attempts[key] = attempt, lease.worker
        try:
            done = self._work.do(taken, attempt)
        except Exception as error:  # noqa: BLE001 - whatever it is, others may do better
            done = Done("waiting", text_of(error), None, lambda _: ())
        finally:
            with self._lock:
                self._attempts.pop(key)
        self._end(taken, attempt, done, is_stopped=stop.asked)

    def _end(self, taken: Taken, attempt: Attempt, done: Done, *, is_stopped: bool) -> None:
        """Say how an attempt ended, as long as that is of interest."""
        while not attempt.reason():
            try:
                if done.state == "stopped" and is_stopped:
                    self._units.put_back(taken)
                elif done.state == "waiting":
                    self._try_again(taken, done.error)
                else:
                    self._units.end(taken, done.state, done.error, done.result, done.following)
            except StorageError as error:
                self._tell("can't say how a unit ended", error)
                threading.Event().wait(self._times.shortest)
            else:
                return

    def _try_again(self, taken: Taken, error: str) -> None:
        """Let a unit wait for another attempt, or fail. Raises StorageError."""
        failures = taken.failures + 1
        if failures < MOST_FAILURES:
            wait = self._times.second_attempt * 3**taken.failures
            self._units.put_back(taken, error, after=wait)
            return
        done = self._work.give_up(taken, error)
        self._units.end(taken, done.state, done.error, done.result, done.following)

    def _look(self, ended: threading.Event) -> None:
        """See to the units again and again: to what is lost, and what was ended by others."""
        while not ended.wait(self._times.look):
            with self._telling("can't look after the units"):
                self._end_attempts()
                for taken in self._units.lapsed():
                    self._try_again(taken, _LOST.format(count=taken.failures + 1))
                self._units.call_again(self._times.lost_call)
                self._trouble = ""

    def _end_attempts(self) -> None:
        """End the attempts here that may not go on, by what the database says."""
        with self._lock:
            attempts = dict(self._attempts)
        may_go_on = {
            key
            for worker in {worker for _, worker in attempts.values()}
            for key in self._units.attempts_of(worker)
        }
        for key in attempts.keys() - may_go_on:
            attempts[key][0].end(CANCELLED)

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        """Go on where the database can't be used, and tell so once."""
        try:
            yield
        except StorageError as error:
            self._tell(what, error)

    def _tell(self, what: str, error: StorageError) -> None:
        text = str(error)
        if text != self._trouble:
            self._trouble = text
            self._emit(Message("warn", f"{what}: {text}"))
