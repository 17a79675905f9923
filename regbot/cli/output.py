"""The streams of a command: results on standard output, notes on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, TextIO

import click

from regbot.errors import StorageError

if TYPE_CHECKING:
    from regbot.events import Event


def note(text: str) -> None:
    """Write a note to standard error, with nothing that a terminal would obey.

    That nobody can read it is not an error.
    """
    if not text.isprintable():
        from regbot.report.shown import visible  # late: there is hardly ever a need

        text = visible(text)
    with suppress(OSError, ValueError):
        click.echo(text, err=True)


def show(print_to: Callable[[TextIO], None]) -> None:
    """Print a result to standard output, in any encoding.

    Raises StorageError if it can't be written, and exits if nobody reads it.
    """
    if not sys.stdout:
        return
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print_to(sys.stdout)
        sys.stdout.flush()
    except OSError as error:
        raise lost(error) from None


def show_text(text: str) -> None:
    """Print a text and a line feed."""
    show(lambda stream: print(text, file=stream))


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person sees the stream, and lines on it can be drawn anew."""
    return bool(stream and stream.isatty() and os.environ.get("TERM", "dumb") != "dumb")


class Printing:
    """A listener that writes the lines that scripts print, byte for byte.

    A line that can't be written is not an error in the script; ``check`` reports it.
    Without a stream the lines go nowhere. ``room`` is entered while a line is written.
    """

    def __init__(
        self,
        stream: TextIO | None,
        room: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._stream = stream
        self._room = room
        self._error: OSError | None = None

    def __call__(self, event: Event) -> None:
        """Write the line of a ``Printed``."""
        from regbot.events import Printed

        if isinstance(event, Printed) and self._stream and self._error is None:
            line = f"{event.text}\n".encode("utf-8", "surrogateescape")
            try:
                with self._room():
                    self._stream.flush()
                    self._stream.buffer.write(line)
                    self._stream.buffer.flush()
            except OSError as error:
                self._error = error

    def check(self) -> None:
        """Raise StorageError if a line could not be written."""
        if self._error:
            raise lost(self._error)


def lost(error: OSError) -> Exception:
    """The exception for a result that can't be written: an exit if the reader has left."""
    drop(1)
    if isinstance(error, BrokenPipeError):
        return click.exceptions.Exit(1)
    return StorageError(f"can't write the result: {error.strerror}")


def flush() -> None:
    """Write what is buffered. Only a lost result is an error, a lost log is not."""
    try:
        if sys.stderr:
            sys.stderr.flush()
    except OSError:
        drop(2)
    show(lambda _: None)


def drop(descriptor: int) -> None:
    """Discard what is still to be written, so that the process ends silently."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
