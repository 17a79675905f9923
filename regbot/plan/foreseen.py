"""Deletes of a dry run whose tags are looked at behind the script, many at once.

A script that deletes a tag it has listed learns nothing from the look at it: it sees the
tag gone at once, and what goes with it is found out while it goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import RLock

WORKERS = 32
"""Tags looked at at once."""
MOST = 96
"""Looks that wait at most; who adds one more waits for the first of them."""

Finding = Callable[[], object]
"""Records what a look found. Raises nothing."""


class Foreseen:
    """The looks of one session that have not ended. Threads may share it.

    What they found is recorded in the order in which they were added.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._turn = RLock()
        self._looks: deque[Future[Finding]] = deque()

    def add(self, look: Callable[[], Finding]) -> None:
        """Begin a look, which raises nothing and gives what records its finding."""
        with self._turn:
            while self._looks and (self._looks[0].done() or len(self._looks) >= MOST):
                self._looks.popleft().result()()
            if self._pool is None:
                self._pool = ThreadPoolExecutor(WORKERS, "look")
            self._looks.append(self._pool.submit(look))

    def settle(self) -> None:
        """Wait for all looks, and record what they found."""
        with self._turn:
            while self._looks:
                self._looks.popleft().result()()

    def close(self) -> None:
        """Record what is left, and end the threads."""
        self.settle()
        if self._pool is not None:
            self._pool.shutdown()
