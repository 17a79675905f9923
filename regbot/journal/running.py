"""Which runs are going on: each holds a lock on a file of its own, ``running/<id>``.

The kernel takes the lock back when the process ends, however it ends. So a run that
was killed, or cut off by a power cut, is told from one that goes on, and neither a
reboot nor another process with the same number can pretend to be it.
"""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path

from regbot.files import writing


class RunLocks:
    """The locks of a journal's runs, in a folder that is made where it is missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.Lock()
        self._held: dict[str, int] = {}

    def take(self, run: str) -> None:
        """Lock a new run of this process. Raises StorageError.

        On a file system without locks the run counts as going on until it is released.
        """
        path = self._folder / run
        with writing(path):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        with self._guard:
            self._held[run] = descriptor

    def release(self, run: str) -> None:
        """Say that a run has ended, whoever began it."""
        with suppress(OSError):
            (self._folder / run).unlink(missing_ok=True)
        with self._guard:
            descriptor = self._held.pop(run, None)
        if descriptor is not None:
            os.close(descriptor)

    def is_held(self, run: str) -> bool:
        """Whether a run goes on."""
        try:
            descriptor = os.open(self._folder / run, os.O_RDONLY)
        except FileNotFoundError:
            return False
        except OSError:  # another user's run, maybe: nothing says that it has ended
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def close(self) -> None:
        """Let go of the runs that have not said that they ended."""
        with self._guard:
            left, self._held = self._held, {}
        for descriptor in left.values():
            os.close(descriptor)
