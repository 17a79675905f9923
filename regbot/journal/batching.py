"""Work of several threads in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import field
from typing import Any, Generic, TypeVar

from regbot.values import dataclass

Result = TypeVar("Result")


@dataclass(slots=True)
class _Work(Generic[Result]):
    """Work that waits for a transaction, and how it ended."""

    do: Callable[[], Result]
    results: list[Result] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def ended(self) -> bool:
        return bool(self.results) or self.error is not None


class Batches:
    """What threads want to write while one of them writes is written next, together.

    A disk takes as long for many entries as for one. ``transaction`` opens one.
    """

    def __init__(self, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        self._transaction = transaction
        self._turn = threading.Lock()
        self._queue = threading.Lock()
        self.waiting: list[_Work[Any]] = []

    def do(self, work: Callable[[], Result]) -> Result:
        """Do work in a transaction, and return its result when that is durable.

        An error is raised to all whose work was in it, and nothing of theirs is written.
        """
        entry = _Work(work)
        with self._queue:
            self.waiting.append(entry)
        with self._turn:
            if not entry.ended:
                self._write_waiting()
        if entry.error is not None:
            raise entry.error
        return entry.results[0]

    def _write_waiting(self) -> None:
        with self._queue:
            batch, self.waiting = self.waiting, []
        try:
            with self._transaction():
                results = [each.do() for each in batch]
        except BaseException as error:  # noqa: BLE001 - raised to everybody who waits
            for each in batch:
                each.error = error
        else:
            for each, result in zip(batch, results, strict=True):
                each.results.append(result)
