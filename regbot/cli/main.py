"""Where the command begins.

What Ctrl-C does is settled before anything else is loaded, so that nobody sees a
traceback of half an import.
"""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import NoReturn

EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the command that the arguments name, and exit with its code."""
    signal.signal(signal.SIGINT, leave)
    from regbot.cli.commands import regbot

    regbot(prog_name="regbot")


def leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """End at once, without a word."""
    os._exit(EXIT_INTERRUPTED)
