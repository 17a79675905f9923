"""The entry point of the command.

The handler of Ctrl-C is set before anything else is imported, so that Ctrl-C never shows
a traceback of half an import. Until then hardly anything is imported, for the same reason.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

EXIT_INTERRUPTED = 130
_GARBAGE = 100_000
"""New objects after which garbage is looked for. Nearly all are freed at once, without that."""
_ROUNDS = 2
"""Looks at new objects before one at older ones. A run is old when it ends, and a server has many:
by Python's own 10, those that are over would fill its memory."""


def main() -> None:
    """Run the command and exit with its exit code."""
    signal.signal(signal.SIGINT, leave)
    import gc

    gc.set_threshold(_GARBAGE, _ROUNDS, _ROUNDS)
    from regbot.cli.commands import regbot

    try:
        regbot(prog_name="regbot")
    finally:
        gc.freeze()  # what is left ends with the process


def leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """Exit immediately, without a message."""
    os._exit(EXIT_INTERRUPTED)
