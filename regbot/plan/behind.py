"""Deletes of tags that were begun, and are finished behind the script, many at a time.

A script that deletes one tag after the other waits for what may be refused, and for
nothing else: a registry's tags are read back together, and those of a layout folder go
with one change of its index. What is not finished yet is finished before anything is
done or read that depends on it, and before the run ends. Until then a delete keeps its
turn at the repository, so that no other script puts the tag again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import DeleteTag
from regbot.plan.evidence import Evidence
from regbot.plan.look import Target
from regbot.plan.recorder import Saved
from regbot.values import dataclass

MOST = 2048
"""Deletes that wait at most: who begins one more finishes them."""
_PAUSE = 0.25
"""Seconds between two times that waiting deletes are finished, where that is done fast."""
_REST = 10
"""How many times as long as it took to finish some the others wait."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A delete that was begun.

    ``entry`` is that of the journal. Where it has none yet nothing has changed yet, and
    ``saved`` is what the journal has to keep.
    """

    action: DeleteTag
    target: Target
    evidence: Evidence | None
    entry: int | None = None
    saved: Saved | None = None


GiveBack = Callable[[], None]
"""Gives back the turn that a delete has."""

Finish = Callable[[Sequence[Begun]], None]
"""Finishes deletes of one repository, and says how each ended. Raises nothing."""

_Tagged = tuple[Reference, Tag]
"""A tag of a repository."""


class Behind:
    """The deletes of one session that are not finished; threads may share it.

    The first one starts a thread that finishes them now and then, until ``close``.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._placed = threading.Condition(self._lock)
        self._to_finish = threading.Condition(self._lock)
        self._turn = threading.Lock()
        self._waiting: dict[_Tagged, tuple[Finish, Begun, GiveBack]] = {}
        self._in_hand: set[_Tagged] = set()
        self._beginning: set[_Tagged] = set()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._hurried = False
        self._broke: list[Exception] = []

    @contextmanager
    def beginning(self, repository: Reference, tag: Tag) -> Iterator[None]:
        """Have a tag to oneself while its delete begins, after every other delete of it ended."""
        tagged = (repository, tag)
        while not self._has_taken(tagged):
            self.settle()
        try:
            yield
        finally:
            with self._lock:
                self._beginning.discard(tagged)
                self._placed.notify_all()

    def _has_taken(self, tagged: _Tagged) -> bool:
        """Take a tag that no other thread begins to delete; False where it is being deleted."""
        with self._lock:
            self._placed.wait_for(lambda: tagged not in self._beginning)
            if tagged in self._waiting or tagged in self._in_hand:
                return False
            self._beginning.add(tagged)
            return True

    def put(self, repository: Reference, begun: Begun, finish: Finish, give_back: GiveBack) -> None:
        """Leave a delete to be finished by ``finish``; see ``beginning``."""
        with self._lock:
            if not self._waiting:
                self._to_finish.notify_all()
            self._waiting[repository, begun.action.tag] = (finish, begun, give_back)
            is_full = len(self._waiting) >= MOST
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._finish_now_and_then, name="deletes", daemon=True
                )
                self._thread.start()
        if is_full:
            self.settle()

    def hurry(self) -> None:
        """Have what waits finished soon, by the thread."""
        with self._lock:
            self._hurried = True
            self._to_finish.notify_all()

    def holds(self, repository: Reference, tag: Tag | None = None) -> bool:
        """Whether a delete of this tag, or without one of any tag there, is not finished."""
        with self._lock:
            if tag is not None:
                tagged = (repository, tag)
                return tagged in self._waiting or tagged in self._in_hand
            unfinished = (*self._waiting, *self._in_hand)
        return any(there == repository for there, _ in unfinished)

    def settle(self) -> None:
        """Finish all that waits, after what another thread is about to finish.

        A defect in a ``Finish`` keeps no other from its turn; ``close`` raises it.
        """
        with self._turn:
            with self._lock:
                waiting, self._waiting = self._waiting, {}
                self._in_hand = set(waiting)
                self._hurried = False
            together: dict[tuple[Reference, Finish], list[Begun]] = {}
            for (repository, _), (finish, begun, _) in waiting.items():
                together.setdefault((repository, finish), []).append(begun)
            try:
                for (_, finish), deletes in together.items():
                    try:
                        finish(deletes)
                    except Exception as error:  # noqa: BLE001 - raised by close
                        self._broke.append(error)
            finally:
                with self._lock:
                    self._in_hand = set()
                for _, _, give_back in waiting.values():
                    give_back()

    def close(self) -> None:
        """Finish all that waits, and end the thread. Raises what a ``Finish`` raised."""
        with self._lock:
            self._closed = True
            thread = self._thread
            self._to_finish.notify_all()
        if thread is not None:
            thread.join()
        self.settle()
        broke, self._broke = self._broke, []
        for error in broke:
            raise error

    def _finish_now_and_then(self) -> None:
        pause = _PAUSE
        while not self._closed:
            with self._to_finish:
                self._to_finish.wait_for(lambda: self._closed or self._waiting)
                self._to_finish.wait_for(lambda: self._closed or self._hurried, pause)
            began = self._clock()
            self.settle()
            pause = max(_PAUSE, _REST * (self._clock() - began))
