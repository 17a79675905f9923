"""A few threads that do one kind of work, and end together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

from regbot.errors import Stopped
from regbot.stopping import Stop

Item = TypeVar("Item")
Result = TypeVar("Result")


class Crew:
    """Runs work on several items at once; the first error ends all of it."""

    def __init__(self, workers: int, stop: Stop) -> None:
        self._workers = max(1, workers)
        self._stop = stop
        self._lock = threading.Lock()
        self._error: BaseException | None = None

    def check(self) -> None:
        """Raise when the run ends or another item failed; long work asks now and then."""
        self._stop.check()
        if self._error is not None:
            raise Stopped("stopped because another part of the work failed")

    def run(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """The results in the order of the items.

        Raises the first error there was, after the work in hand has ended; no new
        work is begun once there is one.
        """
        if self._workers == 1 or len(items) < 2:
            return [self._one(work, item) for item in items]
        with ThreadPoolExecutor(min(self._workers, len(items)), "regbot-image") as threads:
            futures = [threads.submit(self._one, work, item) for item in items]
            try:
                wait(futures)
            except BaseException as error:
                self._fail(error)
                raise
        if self._error is not None:
            raise self._error
        return [future.result() for future in futures]

    def _one(self, work: Callable[[Item], Result], item: Item) -> Result:
        self.check()
        try:
            return work(item)
        except BaseException as error:
            self._fail(error)
            raise

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._error = self._error or error
