"""Whether the files of a config have changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

Trace = tuple[int, ...]
"""What the system says of a file; empty if it is not there."""


def trace_of(path: Path) -> Trace:
    """What changes when a file is written or replaced, also behind a symbolic link."""
    try:
        status = os.stat(path)  # noqa: PTH116 - as quick as can be
    except (OSError, ValueError):
        return ()
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class FileWatch:
    """Whether files have changed since they were read.

    A change counts when it looks the same twice, so that no file is read while it is
    being written. It is not for threads to share.
    """

    def __init__(self, files: Iterable[Path], trace_of: Callable[[Path], Trace] = trace_of) -> None:
        self._trace_of = trace_of
        self._read = {path: trace_of(path) for path in files}
        self._seen = self._read

    def look(self) -> bool:
        """Whether the files are to be read again, which counts as done from now on."""
        before, self._seen = self._seen, {path: self._trace_of(path) for path in self._read}
        if self._seen != before or self._seen == self._read:
            return False
        self._read = self._seen
        return True

    def read_now(self) -> None:
        """The files are about to be read as they are now, for whatever reason."""
        self._read = self._seen = {path: self._trace_of(path) for path in self._read}

    def follow(self, files: Iterable[Path]) -> None:
        """Watch these files. Those that were watched go on from where they were read."""
        known = self._read
        self._read = {
            path: known[path] if path in known else self._trace_of(path) for path in files
        }
        self._seen = self._read
