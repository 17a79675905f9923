"""--grace: how long a server may take to end, and the end of one that takes longer."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import click

from regbot.cli.group import EXIT_FAILED
from regbot.errors import InvalidValue, Stopped, UsageError
from regbot.stopping import GRACE
from regbot.units import format_duration, parse_duration

if TYPE_CHECKING:
    from regbot.events import Emit
    from regbot.stopping import Stop

_SHORTEST = 1.0
_LOOKS = 3600.0
_TO_TELL = 0.3
"""Seconds to tell that it ends: a log that nobody reads must not keep it from that."""


def _seconds(_ctx: click.Context, _option: click.Parameter, text: str) -> float:
    """The callback of the option. Raises UsageError."""
    try:
        seconds = parse_duration(text)
    except InvalidValue as error:
        raise UsageError(f"--grace {error}") from None
    if seconds < _SHORTEST:
        raise UsageError(f"--grace {text}: it has to be at least {format_duration(_SHORTEST)}")
    return seconds


grace_option = click.option(
    "--grace",
    metavar="TIME",
    default=format_duration(GRACE),
    show_default=True,
    callback=_seconds,
    help="How long what is under way may take to end, after SIGTERM or Ctrl-C.",
)


def leave_in_time(stop: Stop, emit: Emit, hint: str = "set a longer --grace") -> None:
    """End the process when the grace of ``stop`` is over, as if it had been killed.

    ``hint`` is what could be done about that.

    That is for what nothing else ends, such as a disk that does not answer: all that is
    known to wait ends before. The journal can be killed at any moment.
    """
    threading.Thread(target=_watch, args=(stop, emit, hint), name="grace", daemon=True).start()


def _watch(stop: Stop, emit: Emit, hint: str) -> None:
    try:
        while True:
            stop.wait(_LOOKS)
    except Stopped:
        threading.Event().wait(stop.left())
    threading.Thread(target=_tell, args=(stop, emit, hint), name="too late", daemon=True).start()
    threading.Event().wait(_TO_TELL)
    os._exit(EXIT_FAILED)


def _tell(stop: Stop, emit: Emit, hint: str) -> None:
    from regbot.events import Message

    grace = format_duration(stop.grace)
    text = f"not everything ended within {grace}, so it is left undone"
    emit(Message("error", f"{text} ({hint})" if hint else text))
