"""The bottom lines of a terminal, drawn anew below all that is written meanwhile."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO


class Screen:
    """Lines at the bottom of the terminal of ``stream``; threads may share it.

    The cursor rests below them. Whatever else is written to this terminal is written with
    ``write`` or within ``above``, where the lines make room for it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._lines: Sequence[str] = ()

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines in place of the last ones; each has to fit the terminal's width.

        A process in the background shows none.
        """
        with self._lock, suppress(OSError, ValueError):
            erasing = self._erasing()
            self._lines = tuple(lines) if _is_foreground(self._stream) else ()
            self._put(f"{erasing}{self._text()}")

    @contextmanager
    def above(self) -> Iterator[None]:
        """Within it, whole lines may be written to the terminal by any stream."""
        with self._lock:
            with suppress(OSError, ValueError):
                self._put(self._erasing())
            try:
                yield
            finally:
                with suppress(OSError, ValueError):
                    self._put(self._text())

    def write(self, text: str) -> None:
        """Write whole lines to the stream, above the others. Raises OSError."""
        with self._lock:
            self._put(f"{self._erasing()}{text}{self._text()}")

    def flush(self) -> None:
        """Nothing waits to be written."""

    def _erasing(self) -> str:
        return f"\x1b[{len(self._lines)}A\r\x1b[J" if self._lines else ""

    def _text(self) -> str:
        return "".join(f"{line}\n" for line in self._lines)

    def _put(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()


def _is_foreground(stream: TextIO) -> bool:
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return True
