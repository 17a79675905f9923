"""One server at a time works with a folder of state.

The kernel releases the lock when the process ends in any way, so that a server that was
killed doesn't stand in the way of the next.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from regbot.errors import StateInUse
from regbot.files import writing
from regbot.journal.place import DatabaseUrl, State

if TYPE_CHECKING:
    from regbot.journal.journal import Journal

_TRIES = 20
_PAUSE = 0.05
"""Seconds between two tries. A child that a killed server was just starting has its lock too
until it is another program, and so has a command that looks whether there is a server."""
_LONGEST = 1 << 16
"""Bytes of a path that are read."""


@contextmanager
def only_server(
    state: State, config: str = "", *, sleep: Callable[[float], object] = time.sleep
) -> Iterator[None]:
    """Be the only server with a folder, which is created if necessary.

    Any number of servers may share a database.

    The path of its ``config`` is in the file, for those who ask what the server does.

    Raises StateInUse if there is another, and StorageError if the folder can't be written.
    On a file system without locks another one isn't noticed.
    """
    if isinstance(state, DatabaseUrl):
        yield
        return
    path = state / "server.lock"
    with writing(path):
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _has_got_it(descriptor, sleep):
            raise StateInUse(
                f"another regbot server works with the folder {state} already"
                " (stop that one, or set state to another folder)"
            )
        with writing(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, os.fsencode(config), 0)
        yield
    finally:
        os.close(descriptor)


def has_server(journal: Journal, config: str) -> bool:
    """Whether a server of a config works with the state of a journal."""
    if isinstance(journal.state, DatabaseUrl):
        return journal.has_server(config)
    try:
        descriptor = os.open(journal.state / "server.lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        is_running = _is_locked_already(descriptor, fcntl.LOCK_SH)
        return is_running and os.fsdecode(os.pread(descriptor, _LONGEST, 0)) == config
    finally:
        os.close(descriptor)


def _has_got_it(descriptor: int, sleep: Callable[[float], object]) -> bool:
    for _ in range(_TRIES):
        if not _is_locked_already(descriptor):
            return True
        sleep(_PAUSE)
    return False


def _is_locked_already(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
