"""The attempts that this process has under way, and those that it may have without knowing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from regbot.errors import StorageError
from regbot.run.cluster.units import CANCELLED, Taken
from regbot.stopping import Attempt


class Underway:
    """Attempts from the moment they are asked for until their end was told; threads share it.

    A worker whose database was lost in the middle of a question may have been given a unit and
    not know it. As long as it lives nobody else gets that unit, so it has to be given back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempts: dict[tuple[str, int], tuple[Attempt, str]] = {}
        self._asked_for: list[str] = []
        self._in_doubt: set[str] = set()

    @contextmanager
    def asking(self, unit: str, worker: str) -> Iterator[None]:
        """Ask for a unit as a worker; what is given is to be noted in the block by ``begin``."""
        with self._lock:
            self._asked_for.append(unit)
        try:
            yield
        except StorageError:
            with self._lock:
                self._in_doubt.add(worker)
            raise
        finally:
            with self._lock:
                self._asked_for.remove(unit)

    def begin(self, taken: Taken, attempt: Attempt, worker: str) -> None:
        """Note an attempt of a worker."""
        with self._lock:
            self._attempts[taken.id, taken.number] = attempt, worker

    def end(self, taken: Taken) -> None:
        """Forget an attempt, whose end was told or is of no interest."""
        with self._lock:
            self._attempts.pop((taken.id, taken.number))

    def compare(self, attempts_of: Callable[[str], Iterable[Taken]]) -> list[Taken]:
        """End the attempts that may not go on, by what the database says of each worker.

        Gives those that nobody here knows of. Raises StorageError.
        """
        with self._lock:
            attempts = dict(self._attempts)
            asked_for = set(self._asked_for)
            in_doubt = set(self._in_doubt)
        workers = in_doubt.union(worker for _, worker in attempts.values())
        running = [taken for worker in workers for taken in attempts_of(worker)]
        may_go_on = {(taken.id, taken.number) for taken in running}
        for key in attempts.keys() - may_go_on:
            attempts[key][0].end(CANCELLED)
        with self._lock:
            self._in_doubt -= in_doubt
            known = attempts.keys() | self._attempts.keys()
            asked_for.update(self._asked_for)
        return [
            taken
            for taken in running
            if (taken.id, taken.number) not in known and taken.id not in asked_for
        ]
