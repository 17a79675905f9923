"""Which runs are in progress.

On one machine each holds a lock on a file of its own, ``running/<id>``. The kernel releases
the lock when the process ends in any way. So a run that was killed, or ended by a power cut,
can be told from one in progress, also after a reboot, and when another process has the same
number.
"""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from regbot.errors import AttemptEnded
from regbot.files import writing


class Running(Protocol):
    """The names of what is in progress, each held by the process that does it."""

    def take(self, run: str) -> None:
        """Hold a new name. Raises StorageError."""

    def release(self, run: str) -> None:
        """Give a name back that this process held, or one that is gone."""

    def ended(self, run: str) -> AttemptEnded | None:
        """Why this process may do nothing more of what it took; None while it still holds it."""

    def is_held(self, run: str) -> bool:
        """Whether it is in progress."""

    def close(self) -> None:
        """Give back the names that this process holds."""


class RunLocks:
    """The locks of a journal's runs, in a folder that is created if necessary."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.Lock()
        self._held: dict[str, int] = {}

    def take(self, run: str) -> None:
        """Lock a new run of this process. Raises StorageError.

        On a file system without locks, the run counts as in progress until it is released.
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
        """Release the lock of a run, whichever process began it."""
        with suppress(OSError):
            (self._folder / run).unlink(missing_ok=True)
        with self._guard:
            descriptor = self._held.pop(run, None)
        if descriptor is not None:
            os.close(descriptor)

    def ended(self, _run: str) -> None:
        """Nothing ends before the process does: the kernel gives its locks to nobody else."""

    def is_held(self, run: str) -> bool:
        """Whether a run is in progress."""
        try:
            descriptor = os.open(self._folder / run, os.O_RDONLY)
        except FileNotFoundError:
            return False
        except OSError:  # perhaps another user's run; nothing shows that it has ended
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def close(self) -> None:
        """Release the locks of runs that were not finished."""
        with self._guard:
            left, self._held = self._held, {}
        for descriptor in left.values():
            os.close(descriptor)
