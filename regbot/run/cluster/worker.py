"""A worker: takes units that wait, has each done as an attempt, and says how it ended.

It outlives its database. While that is away, what runs goes on until the end of the lease,
and how it ended is told as soon as there is somebody to tell; nothing new begins. What could
not be done without the database is done again, and that is nobody's failure.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Protocol

from regbot.errors import (
    DatabaseAway,
    InternalError,
    RegbotError,
    Stopped,
    StorageError,
    text_of,
)
from regbot.events import Emit, Message
from regbot.run.cluster.progress import State
from regbot.run.cluster.underway import Underway
from regbot.run.cluster.units import Following, Taken, Units, key_of
from regbot.stopping import Attempt, Clock, Stop, time_with_sleep
from regbot.values import dataclass

MOST_FAILURES = 3
"""Attempts at a unit that may come to nothing by themselves."""
_OTHER_VERSION = (
    "a run waits that another version of regbot handed out; this one can't do it"
    " (let workers of that version do it, or end it with regbot cancel)"
)
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

    In state ``waiting`` the unit is to be tried again, if it may: of attempts that ``count``
    there are three.
    """

    state: State
    error: str
    result: bytes | None
    following: Following
    counts: bool = True


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
        self._underway = Underway()
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
                            key_of(self._work.fingerprint),
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
            with self._underway.asking(unit, lease.worker):
                taken = self._units.take(unit, lease.worker)
                if taken is None:
                    return
                attempt = self._attempt_at(taken, lease)
                self._underway.begin(taken, attempt, lease.worker)
            try:
                self._end(taken, attempt, self._done(taken, attempt), stop)
            finally:
                self._underway.end(taken)

    def _attempt_at(self, taken: Taken, lease: Lease) -> Attempt:
        def ends() -> float:
            return 0.0 if lease.has_ended else lease.ends - self._times.margin

        return Attempt(taken.id, taken.number, ends, self._clock)

    def _done(self, taken: Taken, attempt: Attempt) -> Done:
        """What an attempt comes to."""
        try:
            return self._work.do(taken, attempt)
        except Exception as error:  # noqa: BLE001 - whatever it is, others may do better
            is_away = isinstance(error, DatabaseAway)
            return Done("waiting", text_of(error), None, lambda _: (), counts=not is_away)

    def _end(self, taken: Taken, attempt: Attempt, done: Done, stop: Stop) -> None:
        """Say how an attempt ended. One that may not go on is given back, if nobody has it."""
        while True:
            try:
                if attempt.reason() or (done.state == "stopped" and stop.asked):
                    self._units.put_back(taken)
                elif done.state == "waiting":
                    self._try_again(taken, done.error, counts=done.counts)
                else:
                    self._units.end(taken, done.state, done.error, done.result, done.following)
            except StorageError as error:
                self._tell("can't say how a unit ended", error)
                if attempt.reason() and stop.asked:
                    return
                threading.Event().wait(self._times.shortest)
            else:
                return

    def _try_again(self, taken: Taken, error: str, *, counts: bool = True) -> None:
        """Let a unit wait for another attempt, or fail. Raises StorageError."""
        if not counts or taken.failures + 1 < MOST_FAILURES:
            wait = self._times.second_attempt * 3**taken.failures
            self._units.put_back(taken, error, after=wait, counts=counts)
            return
        done = self._work.give_up(taken, error)
        self._units.end(taken, done.state, done.error, done.result, done.following)

    def _look(self, ended: threading.Event) -> None:
        """See to the units again and again: to what is lost, and what was ended by others."""
        was_left_alone = False
        calls_again = self._clock()
        while not ended.wait(self._times.look):
            with self._telling("can't look after the units"):
                for taken in self._underway.compare(self._units.attempts_of):
                    self._units.put_back(taken)
                for taken in self._units.lapsed(self._work.fingerprint):
                    self._try_again(taken, _LOST.format(count=taken.failures + 1))
                if self._clock() >= calls_again:  # all that wait are looked at for that
                    self._units.call_again(self._times.lost_call)
                    calls_again = self._clock() + self._times.lost_call
                self._trouble = ""
                is_left_alone = self._units.is_left_alone(self._work.fingerprint)
                if is_left_alone and not was_left_alone:
                    self._emit(Message("warn", _OTHER_VERSION))
                was_left_alone = is_left_alone

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        """Go on where the database can't be used, and tell so once."""
        try:
            yield
        except StorageError as error:
            self._tell(what, error)
        except Exception as error:  # noqa: BLE001 - the next look may go well
            self._tell(what, InternalError(error))

    def _tell(self, what: str, error: RegbotError) -> None:
        text = str(error)
        if text != self._trouble:
            self._trouble = text
            self._emit(Message("warn", f"{what}: {text}"))
