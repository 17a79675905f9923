"""Deletes of a dry run whose tags are looked at behind the script, many at once.

A script that deletes a tag it has listed learns nothing from the look at it: it sees the
tag gone at once, and what goes with it is found out while it goes on. A tag that stays,
since it moved or is in use, is there again before the script reads it or lists all tags.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import RLock

from regbot.oci.reference import Reference
from regbot.oci.tag import Tag

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
        self._looks: deque[tuple[Reference, Tag, Future[Finding]]] = deque()

    def add(self, repository: Reference, tag: Tag, look: Callable[[], Finding]) -> None:
        """Begin a look, which raises nothing and gives what records its finding."""
        with self._turn:
            while self._looks and (self._looks[0][2].done() or len(self._looks) >= MOST):
                self._record_first()
            if self._pool is None:
                self._pool = ThreadPoolExecutor(WORKERS, "look")
            self._looks.append((repository, tag, self._pool.submit(look)))

    def holds(self, repository: Reference, tag: Tag | None = None) -> bool:
        """Whether a look at this tag, or without one at any tag there, has not ended."""
        with self._turn:
            return any(
                place == repository and tag in (None, name) for place, name, _ in self._looks
            )

    def settle(self) -> None:
        """Wait for all looks, and record what they found."""
        with self._turn:
            while self._looks:
                self._record_first()

    def _record_first(self) -> None:
        _, _, look = self._looks.popleft()
        look.result()()

    def close(self) -> None:
        """Record what is left, and end the threads."""
        self.settle()
        if self._pool is not None:
            self._pool.shutdown()
