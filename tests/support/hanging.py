"""Makes a test that would hang fail instead."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def without_hanging(seconds: int = 30) -> Iterator[None]:
    """Raise TimeoutError in the main thread when the block takes longer."""

    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"still not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
