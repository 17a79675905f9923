"""A terminal: the command runs in it, and what it shows is read off as a person would."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from support.command import REGBOT, environment

_ESCAPE = re.compile(r"\x1b\[(\d*)([AJm])|\x1b\[(\d+(?:;\d+)*)(m)")
_BEGUN = re.compile(r"\x1b(\[[\d;]*)?")
"""A code of which the end is not there yet."""


class Paper:
    """What a terminal shows of a text, with all that has scrolled off the top.

    It knows the few codes that regbot writes; any other is a mistake.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.rows = [""]
        self._row = 0
        self._column = 0
        self._rest = ""

    def feed(self, text: str) -> None:
        text, self._rest = self._rest + text, ""
        while text:
            if _BEGUN.fullmatch(text):
                self._rest = text
                return
            if text[0] == "\x1b":
                code = _ESCAPE.match(text)
                assert code, f"an unknown code: {text[:20]!r}"
                self._do(code[1] or "", code[2] or code[4])
                text = text[code.end() :]
            else:
                self._write(text[0])
                text = text[1:]

    def _do(self, number: str, letter: str) -> None:
        if letter == "A":
            self._row -= int(number or 1)
            assert self._row >= 0, "the cursor is above all that was written"
        elif letter == "J":
            assert number in ("", "0")
            self.rows[self._row :] = [self.rows[self._row][: self._column]]

    def _write(self, letter: str) -> None:
        if letter == "\r":
            self._column = 0
        elif letter == "\n":
            self._next_row()
        else:
            if self._column == self.width:
                self._column = 0
                self._next_row()
            row = self.rows[self._row].ljust(self._column)
            self.rows[self._row] = row[: self._column] + letter + row[self._column + 1 :]
            self._column += 1

    def _next_row(self) -> None:
        self._row += 1
        if self._row == len(self.rows):
            self.rows.append("")

    @property
    def text(self) -> str:
        return "\n".join(row.rstrip() for row in self.rows)


class Running:
    """A command in a terminal; ``paper`` has what it shows up to now."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int, width: int) -> None:
        self.process = process
        self.paper = Paper(width)
        self.shown: list[str] = []
        """What was shown after each piece that was read."""
        self._terminal = terminal
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def read(self) -> bool:
        """Read on; False at the end."""
        try:
            data = os.read(self._terminal, 65536)
        except OSError:
            data = b""
        self.paper.feed(self._decoder.decode(data))
        self.shown.append(self.paper.text)
        return bool(data)

    def wait_for(self, pattern: str) -> str:
        """Read until a pattern is to be seen. Gives what it fits."""
        while not (match := re.search(pattern, self.paper.text)):
            assert self.read(), f"{pattern} was never shown: {self.paper.text}"
        return match[0]

    def end(self) -> str:
        """Read to the end; what is left to be seen."""
        while self.read():
            continue
        self.process.wait(60)
        return self.paper.text

    def resize(self, width: int) -> None:
        self.paper.width = width
        _set_size(self._terminal, width)


def _set_size(terminal: int, width: int, height: int = 24) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))


@contextmanager
def in_terminal(
    *arguments: str,
    home: Path,
    width: int = 80,
    variables: Mapping[str, str] | None = None,
    stderr: int | None = None,
) -> Iterator[Running]:
    """Run the command in a terminal, with the folder as its home."""
    ours, its = pty.openpty()
    _set_size(its, width)
    process = subprocess.Popen(
        [REGBOT, *arguments],
        stdin=its,
        stdout=its,
        stderr=its if stderr is None else stderr,
        env=environment(home, **{"TERM": "xterm", "NO_COLOR": "1", **(variables or {})}),
        cwd=home,
        start_new_session=True,
    )
    os.close(its)
    try:
        yield Running(process, ours, width)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
