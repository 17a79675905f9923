"""Shows on a terminal what a command does now, and takes it away at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO

from regbot.cli.progress import Line, Progress
from regbot.cli.screen import Screen
from regbot.events import Event, RunEnded, RunStarted

if TYPE_CHECKING:
    from rich.console import Console, OverflowMethod
    from rich.text import Text

_FIRST = 0.5
"""Seconds until it is drawn at all: what is done by then needs none."""
_PAUSE = 0.15
"""Seconds between two times that it is drawn."""
_BAR = 20
_BARS = {True: ("━", "─"), False: ("#", ".")}
"""What bars are drawn with, filled and not, in UTF-8 and else."""


class Live:
    """A listener that draws what is done, from the start of a run to its end.

    It counts what it hears, and draws in a thread of its own, a few times a second.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self.screen = Screen(stream)
        self._stream = stream
        self._clock = clock
        self._progress: Progress | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __call__(self, event: Event) -> None:
        """Count an event; begin or end with the run."""
        if isinstance(event, RunStarted):
            self._progress = Progress(self._clock)
            self._thread = threading.Thread(
                target=self._draw, args=[self._progress], name="progress", daemon=True
            )
            self._thread.start()
        if self._progress:
            self._progress(event)
        if isinstance(event, RunEnded):
            self.close()

    def close(self) -> None:
        """Take the lines away."""
        self._ended.set()
        if self._thread:
            self._thread.join()
        self.screen.draw([])

    def _draw(self, progress: Progress) -> None:
        if self._ended.wait(_FIRST):
            return
        from rich.console import Console

        console = Console(file=self._stream, highlight=False)
        while True:
            self.screen.draw(rendered(progress.lines(), console))
            if self._ended.wait(_PAUSE):
                return


def rendered(lines: Sequence[Line], console: Console) -> list[str]:
    """The lines as they are written to a terminal, cut to its size."""
    is_utf = console.encoding.lower().startswith("utf")
    filled, empty = _BARS[is_utf]
    overflow: OverflowMethod = "ellipsis" if is_utf else "crop"
    shown = lines[-max(1, console.height - 2) :]
    with console.capture() as capture:
        for line in shown:
            text = _text(line, filled, empty)
            shown_bytes = text.plain.encode(console.encoding, "backslashreplace")
            text.plain = shown_bytes.decode(console.encoding)
            console.print(text, width=console.width - 1, no_wrap=True, overflow=overflow)
    return capture.get().splitlines()


def _text(line: Line, filled: str, empty: str) -> Text:
    from rich.text import Text

    parts: list[str | tuple[str, str]] = [(f"{line.name}  ", "bold")] if line.name else []
    if line.filled is not None:
        count = int(line.filled * _BAR)
        parts += [(filled * count, "green"), (empty * (_BAR - count), "dim"), "  "]
    return Text.assemble(*parts, line.text)
