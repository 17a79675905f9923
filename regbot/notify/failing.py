"""Which scripts failed in their last run, remembered for when they work again."""

from __future__ import annotations

import threading

from regbot.errors import StorageError
from regbot.events import Emit, Message
from regbot.journal.opening import has_state, open_journal
from regbot.journal.place import State


class FailingScripts:
    """The failing scripts of a config, kept in the journal of ``state``; None keeps nothing.

    Where the journal can't be used, they are known as long as the process runs.
    """

    def __init__(self, state: State | None, config: str, emit: Emit) -> None:
        self._state = state
        self._config = config
        self._emit = emit
        self._lock = threading.Lock()
        self._names = set(self._read())

    def ended(self, script: str, *, failed: bool) -> bool:
        """Note how a run of a script ended. Gives whether the one before had failed."""
        with self._lock:
            was_failing = script in self._names
            if failed != was_failing:
                (self._names.add if failed else self._names.remove)(script)
                self._write(script, failing=failed)
        return was_failing

    def _read(self) -> frozenset[str]:
        if not (self._state and has_state(self._state)):
            return frozenset()
        try:
            with open_journal(self._state) as journal:
                return journal.failing(self._config)
        except StorageError as error:
            self._warn("which scripts failed before is not known", error)
            return frozenset()

    def _write(self, script: str, *, failing: bool) -> None:
        if not self._state:
            return
        try:
            with open_journal(self._state) as journal:
                journal.set_failing(self._config, script, failing=failing)
        except StorageError as error:
            self._warn("whether the script fails is not recorded", error)

    def _warn(self, trouble: str, error: StorageError) -> None:
        self._emit(Message("warn", f"{trouble}, for notifications: {error}"))
