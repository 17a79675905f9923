"""Who may change a repository when several machines do so at once.

A worker claims a repository for what its threads do there, and keeps the claim between their
turns, so that a row of deletes asks the database twice and not once each. It gives the claim
back when another worker waits for it, or when nothing was done for a while. The claims of a
worker end with its lease: what it does afterwards is stopped by ``stopping.Attempt``.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import field
from typing import Protocol

from regbot.errors import InvalidValue, StorageError
from regbot.journal.claims import Claims
from regbot.journal.database import Database
from regbot.oci.reference import Reference
from regbot.plan.turns import Change, Hurry, Turns, in_no_hurry
from regbot.stopping import Clock, Stop
from regbot.values import dataclass

TURNS = (
    """CREATE TABLE turn (
        repository TEXT PRIMARY KEY, version TEXT NOT NULL, claims TEXT NOT NULL)""",
)
"""The table. It has a row for each repository that somebody changes; another version is
another text, so that who changes a row sees whether somebody else has done so."""
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

    ``version`` is that of the row as it was left. ``since`` is when the last thread ended,
    and ``is_wanted`` whether another worker waits.
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
        self._database = database
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
        name = str(repository.without_name)
        with super().at(repository, change, stop, hurry):
            claim = self._claimed(name, change, stop, hurry)
            try:
                yield
            finally:
                with self._moved:
                    claim.threads.remove(hurry)
                    claim.since = self._clock()
                    if claim.is_wanted:
                        self._wake.set()

    def close(self) -> None:
        """Give all claims back, as far as the database can be reached."""
        with self._moved:
            idle = [name for name, claim in self._claims.items() if not claim.threads]
        with suppress(StorageError):
            for name in (*idle, *self._left):
                self._give_back(name)

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
            self._put_down(name)
            self._tend()

    def _put_down(self, name: str) -> None:
        """Let other threads have a repository in hand."""
        with self._moved:
            self._in_hand.discard(name)
            self._moved.notify_all()

    def _ask(self, name: str, change: Change, stop: Stop) -> _Claim:
        """Claim a repository, in place of what this worker has of it; wait for that."""
        lease, version = self._lease(), secrets.token_hex(8)
        if self._replaced(name, "", version, Claims(change, (lease.worker,))):
            return _Claim(change, lease, version)

        def ask(claims: Claims) -> Claims:
            return claims.asked_by(lease.worker, change)

        self._change(name, lambda claims: ask(claims.without((lease.worker,))))
        pause = _FIRST_PAUSE
        while True:
            version, claims = self._change(name, ask)
            if lease.worker in claims.have:
                return _Claim(change, lease, version)
            stop.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            lease = self._lease()  # another one where the last has ended meanwhile

    def _change(self, name: str, change: Callable[[Claims], Claims]) -> tuple[str, Claims]:
        """Change the claims of a repository, without those of the dead; what they are then."""
        while True:
            rows = self._database.rows(
                "SELECT version, claims FROM turn WHERE repository = ?", (name,)
            )
            version, before = (rows[0][0], self._parsed(rows[0][1])) if rows else ("", Claims())
            after = change(before.without(self._dead(before.workers)))
            if after == before:
                return version, after
            new = secrets.token_hex(8)
            if self._replaced(name, version, new, after):
                return new, after

    def _replaced(self, name: str, old: str, new: str, claims: Claims) -> int:
        """Write claims down where nobody has written others meanwhile; 0 where they have."""
        run, text = self._database.run, claims.to_text()
        if not claims.workers:
            return run("DELETE FROM turn WHERE repository = ? AND version = ?", (name, old))
        if not old:
            return run(
                "INSERT INTO turn (repository, version, claims) VALUES (?, ?, ?)"
                " ON CONFLICT (repository) DO NOTHING",
                (name, new, text),
            )
        return run(
            "UPDATE turn SET version = ?, claims = ? WHERE repository = ? AND version = ?",
            (new, text, name, old),
        )

    def _dead(self, workers: Collection[str]) -> frozenset[str]:
        """Those of the workers whose lease is over."""
        if not workers:
            return frozenset()
        marks = ", ".join("?" * len(workers))
        alive = self._database.rows(
            f"SELECT id FROM worker WHERE until > {self._database.now} AND id IN ({marks})",  # noqa: S608
            tuple(workers),
        )
        return frozenset(workers) - {worker for (worker,) in alive}

    def _parsed(self, text: str) -> Claims:
        try:
            return Claims.from_text(text)
        except InvalidValue as error:
            raise self._database.damaged(error) from None

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
            for name in self._to_give_back():
                with suppress(StorageError):
                    self._give_back(name)

    def _look_for_waiting(self) -> None:
        """Note which claims other workers wait for, and hurry the threads that use them."""
        with self._moved:
            versions = {name: claim.version for name, claim in self._claims.items()}
        if not versions:
            return
        marks = ", ".join("?" * len(versions))
        rows = self._database.rows(
            f"SELECT repository, claims FROM turn WHERE repository IN ({marks})",  # noqa: S608
            tuple(versions),
        )
        hurries: set[Hurry] = set()
        with self._moved:
            for name, text in rows:
                claim = self._claims.get(name)
                if claim is not None and self._parsed(text).waiting:
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

    def _give_back(self, name: str) -> None:
        """Give a claim back that no thread uses. Raises StorageError: then it is still had."""
        with self._moved:
            claim = self._claims.get(name)
            if name in self._in_hand or (claim and claim.threads):
                return
            self._in_hand.add(name)
        try:
            if not (claim and self._replaced(name, claim.version, "", Claims())):
                worker = claim.lease.worker if claim else self._lease().worker
                self._change(name, lambda claims: claims.without((worker,)))
            with self._moved:
                self._claims.pop(name, None)
                self._left.discard(name)
        finally:
            self._put_down(name)
