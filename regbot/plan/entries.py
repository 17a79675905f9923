"""The entries of one script's actions in the run's journal, where there is one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from regbot.errors import RegbotError, StorageError
from regbot.events import Emit, Journalled, Message
from regbot.plan.action import Action
from regbot.plan.behind import Begun
from regbot.plan.look import Target
from regbot.plan.outcome import Applied
from regbot.plan.recorder import Beginning, End, Recorder, Saved
from regbot.stopping import Clock, Stop, ended_by
from regbot.values import dataclass

A = TypeVar("A", Applied, Applied | None)


@dataclass(frozen=True, slots=True)
class Entries:
    """Writes the entries; without a ``journal`` none. An entry is on the disk before its action."""

    script: str
    journal: Recorder | None
    emit: Emit
    stop: Stop
    clock: Clock = time.monotonic

    def save(self, target: Target) -> Saved | None:
        """Read what a delete takes away, to be kept. Raises what reading raises."""
        if self.journal is None:
            return None
        return self.journal.save(target, stop=self.stop, emit=self.emit)

    def around(self, action: Action, saved: Saved | None, apply: Callable[[], A]) -> A:
        """Apply an action between its entry and the end of that."""
        return self.before(action, saved, apply)[1]

    def before(
        self, action: Action, saved: Saved | None, apply: Callable[[], A]
    ) -> tuple[int | None, A]:
        """Apply an action after its entry. It is ended but where None says that more follows."""
        if self.journal is None:
            return None, apply()
        [entry] = self._begin(self.journal, [Beginning(self.script, action, saved)])
        try:
            applied = apply()
        except RegbotError as error:
            self.journal.end([_ended(entry, error)])
            raise
        if applied is not None:
            self._end([_ended(entry, applied)])
        return entry, applied

    def begin_all(self, deletes: Sequence[Begun]) -> list[Begun]:
        """Write the entries of deletes that have none yet, before any of them is finished."""
        if self.journal is None:
            return list(deletes)
        beginnings = [Beginning(self.script, begun.action, begun.saved) for begun in deletes]
        entries = self._begin(self.journal, beginnings)
        return [
            replace(begun, entry=entry, saved=None)
            for begun, entry in zip(deletes, entries, strict=True)
        ]

    def end_all(self, ends: Iterable[tuple[int | None, Applied | RegbotError]]) -> None:
        """Say how actions ended, each by its entry, where it has one."""
        self._end([_ended(entry, end) for entry, end in ends if entry is not None])

    def _begin(self, journal: Recorder, beginnings: Sequence[Beginning]) -> list[int]:
        began = self.clock()
        entries = journal.begin(beginnings)
        self.emit(Journalled(len(entries), self.clock() - began))
        return entries

    def _end(self, ends: Sequence[End]) -> None:
        if self.journal is None or not ends:
            return
        try:
            self.journal.end(ends)
        except StorageError as error:
            text = f"done, but the journal could not be updated: {error}"
            self.emit(Message("warn", text, {"script": self.script}))


def _ended(entry: int, end: Applied | RegbotError) -> End:
    if isinstance(end, Applied):
        return End(entry, end.status, end.detail, end.was_gone)
    return End(entry, ended_by(end), str(end))
