"""Signals: they end a command gracefully, and have a server read its config again."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Collection
from types import FrameType

from regbot.cli.main import leave
from regbot.cli.output import drop


def ask_on_signals(ask: Callable[[], None], reload: Callable[[], object] | None = None) -> None:
    """Stop gracefully on the first signal, and immediately on a second Ctrl-C.

    When the terminal is gone, which SIGHUP tells, nothing is written to it any more. SIGHUP
    is ignored if it was ignored before, as under ``nohup``. With ``reload`` it asks for that
    and not for a stop, unless there was a terminal that is gone.

    A thread hears of signals as well: Python calls handlers in the main thread alone, and a
    signal that comes just before that thread begins to wait is heard of when it has waited.
    """
    terminals = [descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)]

    def reloads(number: int) -> bool:
        return bool(reload) and number == signal.SIGHUP and all(map(os.isatty, terminals))

    def end(number: int, _frame: FrameType | None) -> None:
        if reloads(number):
            return
        signal.signal(signal.SIGINT, leave)
        ask()
        if number == signal.SIGHUP:
            for descriptor in filter(None, terminals):
                drop(descriptor)

    def hear(number: int) -> None:
        if reload and reloads(number):
            reload()
        else:
            ask()

    heard = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        heard.remove(signal.SIGHUP)
    for number in heard:
        signal.signal(number, end)
    _hear_in_a_thread(hear, heard)


def _hear_in_a_thread(hear: Callable[[int], None], heard: Collection[int]) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def listen() -> None:
        while True:
            number = os.read(reader, 1)[0]
            if number in heard:
                hear(number)

    threading.Thread(target=listen, name="signals", daemon=True).start()
