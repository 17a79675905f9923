"""Fetches in the background what is likely to be asked for next.

An answer that was fetched ahead is used once, while it is fresh. The window, how many
answers may be under way or waiting, doubles with each right guess, halves with what was
passed over, and closes with a wrong guess. At most one window is fetched in vain; the
account for that is balanced, one answer for each window of answers that were used.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Generic, Protocol, TypeVar

from regbot.stopping import Clock
from regbot.store.protocol import FRESH_FOR
from regbot.store.walk import Walk

_OUT_OF_TURN = 16
"""How many places a name may be late: several threads ask in no exact order."""

N = TypeVar("N", bound=str)
A = TypeVar("A")

Work = Callable[[], None]


class Background(Protocol):
    """Does work while its caller goes on."""

    def run(self, work: Work) -> None:
        """Do it as soon as possible."""
        ...

    def close(self) -> None:
        """Begin nothing more; nobody waits for what is under way."""
        ...


class Threads:
    """Up to ``most`` threads that do what they are given, in order; begun when they are needed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._begun = 0
        self._ended = False
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[Work | None] = queue.SimpleQueue()

    def run(self, work: Work) -> None:
        """Do it as soon as a thread is free."""
        self._waiting.put(work)
        if self._begun == self._most:
            return
        with self._lock:
            if self._begun < self._most:
                self._begun += 1
                name = f"regbot-ahead-{self._begun}"
                threading.Thread(target=self._work, name=name, daemon=True).start()

    def close(self) -> None:
        """Begin nothing more; nobody waits for what is under way."""
        self._ended = True
        for _ in range(self._begun):
            self._waiting.put(None)

    def _work(self) -> None:
        while (work := self._waiting.get()) is not None:
            if not self._ended:
                work()


class _Fetch(Generic[A]):
    """One answer on its way. ``number`` is its turn, ``began`` when it was asked for."""

    __slots__ = ("_answer", "_claim", "_done", "began", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.began: float | None = None
        self._answer: A | None = None
        self._claim = threading.Lock()
        self._done = threading.Lock()
        self._done.acquire()

    def run(self, ask: Callable[[], A], clock: Clock) -> None:
        """Fetch the answer, unless it was given up. An error is thrown away, whatever it is."""
        if not self._claim.acquire(blocking=False):
            return
        self.began = clock()
        try:
            self._answer = ask()
        except Exception:  # noqa: BLE001 - whoever asks the same question gets it
            return
        finally:
            self._done.release()

    def abandon(self) -> bool:
        """Make sure that it is not begun any more; False if it was."""
        return self._claim.acquire(blocking=False)

    def result(self) -> A | None:
        """The answer once it is there; None where it failed, or was not even begun."""
        if self.abandon():
            return None
        with self._done:
            return self._answer


class Ahead(Generic[N, A]):
    """What is fetched ahead along a walk. Threads may share it.

    ``most`` is the largest window. ``run`` does work in the background.
    """

    def __init__(
        self, walk: Walk[N], *, most: int, run: Callable[[Work], None], clock: Clock
    ) -> None:
        self._walk = walk
        self._most = most
        self._run = run
        self._clock = clock
        self._lock = threading.Lock()
        self._fetches: dict[N, _Fetch[A]] = {}
        self._count = 0
        self._window = 0
        self._used = 0
        self._vain = 0

    @property
    def way(self) -> int | None:
        """See ``Walk.way``."""
        return self._walk.way

    def lists(self, name: N) -> bool:
        """Whether it is about a name at all."""
        return self._walk.lists(name)

    def begin(self, window: int, ask: Callable[[N], A]) -> None:
        """Fetch the first ones, on the assumption that the walk is like the one before."""
        self._window = min(window, self._most)
        self._fetch(ask)

    def move_to(self, name: N, ask: Callable[[N], A] | None) -> tuple[float, A] | None:
        """A name's turn has come: fetch the next ones by ``ask``, and give its own answer.

        The answer comes with the time at which it was asked for; None where there is none.
        """
        with self._lock:
            fetch = self._fetches.pop(name, None)
            if fetch is not None:
                self._walk.reach(name)
                self._used += 1
                self._drop_before(fetch.number - _OUT_OF_TURN)
            else:
                self._drop()
            if fetch is not None or self._walk.meet(name):
                self._window = min(self._most, max(2, 2 * self._window))
            else:
                self._window = 0
        if ask is not None:
            self._fetch(ask)
        answer = fetch.result() if fetch is not None else None
        if fetch is None or fetch.began is None:
            return None
        if answer is None or self._clock() - fetch.began >= FRESH_FOR:
            self.regret()
            return None
        return fetch.began, answer

    @property
    def is_lost(self) -> bool:
        """Whether the last guess was wrong."""
        return not self._window

    def regret(self) -> None:
        """The last answer was of no use."""
        with self._lock:
            self._used -= 1
            self._vain += 1
            self._window //= 2

    def drop(self, name: N | None = None) -> None:
        """Forget what was fetched of a name; of all of them, and learn anew, for None."""
        with self._lock:
            if name is None:
                self._drop()
                self._window = 0
            elif name in self._fetches:
                self._vain += not self._fetches.pop(name).abandon()

    def _fetch(self, ask: Callable[[N], A]) -> None:
        """Fetch as many as there is room for."""
        begun: list[tuple[N, _Fetch[A]]] = []
        with self._lock:
            lost = max(0, self._vain - self._used // self._most)
            room = min(self._window, self._most - lost) - len(self._fetches)
            for name in self._walk.more(room) if room > 0 else ():
                self._count += 1
                fetch: _Fetch[A] = _Fetch(self._count)
                self._fetches[name] = fetch
                begun.append((name, fetch))
        for name, fetch in begun:
            self._run(partial(fetch.run, partial(ask, name), self._clock))

    def _drop(self) -> None:
        """Forget all of them."""
        for fetch in self._fetches.values():
            self._vain += not fetch.abandon()
        self._fetches.clear()

    def _drop_before(self, number: int) -> None:
        """Forget what was passed over long ago."""
        while self._fetches:
            name, fetch = next(iter(self._fetches.items()))
            if fetch.number >= number:
                return
            del self._fetches[name]
            self._vain += not fetch.abandon()
            self._window //= 2
