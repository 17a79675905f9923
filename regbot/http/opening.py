"""Opens connections whose opening can be given up.

Nothing ends the wait for the address of a name, for a host that takes no connection, or for
the hello of its TLS: no cut, since there is no connection yet, and no signal. So a thread of
its own waits for them, and may be left alone with that.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

_POLL = 0.1
"""Seconds between two looks whether the run has to end."""


class Opening:
    """A connection that is being opened by ``connect``; ``close`` closes it."""

    def __init__(self, connect: Callable[[], None], close: Callable[[], None]) -> None:
        self._connect = connect
        self._close = close
        self._lock = threading.Lock()
        self._is_over = False
        self._is_given_up = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="connect", daemon=True)

    def wait(self, check: Callable[[], object]) -> None:
        """Wait until it is open. Raises what ``connect`` raises, and what ``check`` does."""
        self._thread.start()
        try:
            while self._thread.is_alive():
                self._thread.join(_POLL)
                check()
        except BaseException:
            with self._lock:
                self._is_given_up = True
                if self._is_over:
                    self._close()
            raise
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._connect()
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
            self._error = error
        with self._lock:
            self._is_over = True
            if self._is_given_up:
                with contextlib.suppress(OSError):
                    self._close()
