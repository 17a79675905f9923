"""Who may change a repository when several machines do so at once.

A worker claims a repository for what its threads do there, and keeps the claim between their
turns, so that a row of deletes asks the database twice and not once each. It gives the claim
back when another worker waits for it, or when nothing was done for a while. Who wants many
repositories claims those that nobody has by one statement. The claims of a worker end with its
lease: what it does afterwards is stopped by ``stopping.Attempt``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import field
from typing import Protocol

from regbot.errors import DatabaseAway, StorageError
from regbot.journal.claims import Claims
from regbot.journal.database import Database
from regbot.journal.turn_table import TurnTable
from regbot.oci.reference import Reference
from regbot.plan.turns import Change, Hurry, Turns, in_no_hurry
from regbot.stopping import Clock, Stop
from regbot.values import dataclass

_LOOKS = 0.5
"""Seconds between two looks whether others wait for what this worker has."""
_KEPT_FOR = 2.0
"""Seconds for which a claim is kept when nothing is done."""
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 0.5
"""Seconds between the questions of who waits, doubled from the first to the longest."""


class WorkerLease(Protocol):
    """The lease of this process; see ``leases.Lease``."""

    worker: str

    @property
    def has_ended(self) -> bool:
        """Whether it is over."""


@dataclass(slots=True)
class _Claim:
    """What this worker has of one repository, and how to hurry the threads that use it.

    ``version`` is that of the row as it was left, if nobody else is in it. ``since`` is when
    the last thread ended, and ``is_wanted`` whether another worker waits.
    """

    change: Change
    lease: WorkerLease
    version: str
    threads: list[Hurry] = field(default_factory=list)
    since: float = 0.0
    is_wanted: bool = False

    def serves(self, change: Change) -> bool:
        """Whether another thread may begin."""
        return self.change == change and not (self.is_wanted or self.lease.has_ended)


class SharedTurns(Turns):
    """Turns between machines: first those of the process, then those of its worker.

    ``lease`` gives the lease of this process, whose worker has a row in the table ``worker``.
    """

    def __init__(
        self,
        database: Database,
        lease: Callable[[], WorkerLease],
        *,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__()
        self._table = TurnTable(database)
        self._lease = lease
        self._clock = clock
        self._moved = threading.Condition()
        self._claims: dict[str, _Claim] = {}
        self._in_hand: set[str] = set()
        self._left: set[str] = set()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def at(
        self, repository: Reference, change: Change, stop: Stop, hurry: Hurry = in_no_hurry
    ) -> Iterator[None]:
        """The turn for a change, as ``Turns.at`` gives it. Raises StorageError, too."""
        with (
            super().at(repository, change, stop, hurry),
            self._having(str(repository.without_name), change, stop, hurry),
        ):
            yield

    @contextmanager
    def alone(self, repositories: Iterable[Reference], stop: Stop) -> Iterator[None]:
        """Have all these repositories to oneself, as ``Turns.alone``. Raises StorageError, too.

        What it claims of them at first counts as not used, so that others get it who wait for
        it. It is used in the order in which everybody waits for more than one.
        """
        wanted = sorted(set(repositories), key=str)
        names = sorted({str(repository.without_name) for repository in wanted})
        with ExitStack() as turns:
            for repository in wanted:
                turns.enter_context(super().at(repository, "alone", stop))
            if len(names) > 1:
                self._claim_free(names, "alone")
            for name in names:
                turns.enter_context(self._having(name, "alone", stop, in_no_hurry))
            yield

    def close(self) -> None:
        """Give all claims back, as far as the database can be reached."""
        with self._moved:
            idle = [name for name, claim in self._claims.items() if not claim.threads]
            names = [*idle, *self._left]
        with suppress(StorageError):
            self._give_back(names)

    @contextmanager
    def _having(self, name: str, change: Change, stop: Stop, hurry: Hurry) -> Iterator[None]:
        """Use a claim of this worker for a thread that has its turn in this process."""
        claim = self._claimed(name, change, stop, hurry)
        try:
            yield
        finally:
            with self._moved:
                claim.threads.remove(hurry)
                claim.since = self._clock()
                if claim.is_wanted:
                    self._wake.set()

    def _claim_free(self, names: Sequence[str], change: Change) -> None:
        """Claim the repositories that neither this worker nor another has a claim on.

        Without its database it claims none: each is asked for later, and waited for.
        """
        with self._moved:
            known = self._claims.keys() | self._in_hand | self._left
            new = [name for name in names if name not in known]
            self._in_hand.update(new)
            self._left.update(new)  # as long as it is not known how the question ends
        try:
            with suppress(DatabaseAway):
                lease = self._lease()
                version, claimed = self._table.claim(new, Claims(change, (lease.worker,)))
                with self._moved:
                    for name in claimed:
                        self._claims[name] = _Claim(change, lease, version, since=self._clock())
                    self._left.difference_update(new)
        finally:
            self._put_down(new)
            self._tend()

    def _claimed(self, name: str, change: Change, stop: Stop, hurry: Hurry) -> _Claim:
        """A claim with this thread among those that use it."""
        with self._moved:
            while True:
                stop.check()
                claim = self._claims.get(name)
                if name not in self._in_hand:
                    if claim and claim.serves(change):
                        claim.threads.append(hurry)
                        return claim
                    if claim is None or not claim.threads or claim.lease.has_ended:
                        break
                self._wake.set()
                self._moved.wait(_LOOKS)
            self._in_hand.add(name)
            self._claims.pop(name, None)
            self._left.add(name)  # as long as it is not known how the question ends
        try:
            claim = self._ask(name, change, stop)
            claim.threads.append(hurry)
            with self._moved:
                self._claims[name] = claim
                self._left.discard(name)
            return claim
        finally:
            self._put_down([name])
            self._tend()

    def _put_down(self, names: Iterable[str]) -> None:
        """Let other threads have repositories in hand."""
        with self._moved:
            self._in_hand.difference_update(names)
            self._moved.notify_all()

    def _ask(self, name: str, change: Change, stop: Stop) -> _Claim:
        """Claim a repository, in place of what this worker has of it; wait for that.

        A database that is away is waited for too.
        """
        while True:
            with suppress(DatabaseAway):
                return self._ask_once(name, change, stop)
            stop.wait(_LONGEST_PAUSE)

    def _ask_once(self, name: str, change: Change, stop: Stop) -> _Claim:
        lease = self._lease()
        version, claimed = self._table.claim([name], Claims(change, (lease.worker,)))
        if claimed:
            return _Claim(change, lease, version)

        def ask(claims: Claims) -> Claims:
            return claims.asked_by(lease.worker, change)

        self._table.change(name, lambda claims: ask(claims.without((lease.worker,))))
        pause = _FIRST_PAUSE
        while True:
            version, claims = self._table.change(name, ask)
            if lease.worker in claims.have:
                is_only = claims.workers == {lease.worker}
                return _Claim(change, lease, version if is_only else "")
            stop.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            lease = self._lease()  # another one where the last has ended meanwhile

    def _tend(self) -> None:
        """Have a thread look after the claims, as long as there are some."""
        with self._moved:
            if self._thread is None and (self._claims or self._left):
                self._thread = threading.Thread(target=self._work, name="turns", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            self._wake.wait(_LOOKS)
            self._wake.clear()
            with self._moved:
                if not (self._claims or self._left):
                    self._thread = None
                    return
            # What the database does not take now is given back by the next round.
            with suppress(StorageError):
                self._look_for_waiting()
            with suppress(StorageError):
                self._give_back(self._to_give_back())

    def _look_for_waiting(self) -> None:
        """Note which claims other workers wait for, and hurry the threads that use them."""
        with self._moved:
            versions = {name: claim.version for name, claim in self._claims.items()}
        hurries: set[Hurry] = set()
        wanted = self._table.wanted(versions) if versions else ()
        with self._moved:
            for name in wanted:
                if (claim := self._claims.get(name)) is not None:
                    claim.is_wanted = True
                    hurries.update(claim.threads)
        for hurry in hurries:
            hurry()

    def _to_give_back(self) -> list[str]:
        """The repositories that no thread uses, and that somebody waits for or nobody needs."""
        now = self._clock()
        with self._moved:
            idle = [
                name
                for name, claim in self._claims.items()
                if not claim.threads and (claim.is_wanted or now - claim.since >= _KEPT_FOR)
            ]
            return [name for name in (*idle, *self._left) if name not in self._in_hand]

    def _give_back(self, names: Iterable[str]) -> None:
        """Give claims back that no thread uses. Raises StorageError: then they are asked again."""
        with self._moved:
            left: dict[str, _Claim | None] = {}
            for name in names:
                claim = self._claims.get(name)
                if name not in self._in_hand and not (claim and claim.threads):
                    left[name] = claim
            for claim in filter(None, left.values()):
                claim.is_wanted = True  # what becomes of it may stay unknown
            self._in_hand.update(left)
        try:
            versions = {name: claim.version for name, claim in left.items() if claim}
            removed = self._table.give_back(versions) if versions else frozenset()
            for name, claim in left.items():
                if name not in removed:
                    self._leave(name, claim.lease.worker if claim else self._lease().worker)
                with self._moved:
                    self._claims.pop(name, None)
                    self._left.discard(name)
        finally:
            self._put_down(left)

    def _leave(self, name: str, worker: str) -> None:
        """Take what a worker has of a repository out of a row that others are in."""
        self._table.change(name, lambda claims: claims.without((worker,)))
