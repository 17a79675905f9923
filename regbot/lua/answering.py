"""Answers the calls of one script: several at once, each by a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from regbot.lua import wire
from regbot.lua.calls import MOST_AT_ONCE, Call


class Answering:
    """The calls of a script that are under way.

    ``reply`` gives what answers a call, as a frame holds it. ``send`` sends a frame to the
    script's process; it is used by one thread at a time.
    """

    def __init__(self, reply: Callable[[Call], bytes], send: Callable[[bytes], None]) -> None:
        self._reply = reply
        self._send = send
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, "regbot-script")
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._under_way = 0
        self._bytes = 0
        self._replies: list[bytes] = []
        self._failure: BaseException | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether calls are under way. Raises what a thread failed with, if one did."""
        if self._failure is not None:
            raise self._failure
        return self._under_way > 0

    def begin(self, calls: Sequence[tuple[int, Call]], size: int, *, waits: bool) -> bool:
        """Answer calls, each with its number, that came in ``size`` bytes.

        ``waits``: nothing else comes before the answer, so this thread can give it. False
        when more are under way than may be, by their number or their bytes.
        """
        alone = waits and not self.busy
        share = size // max(1, len(calls))
        with self._lock:
            self._under_way += len(calls)
            self._bytes += share * len(calls)
            if self._under_way > MOST_AT_ONCE or self._bytes > wire.MAX_FRAME:
                return False
        for number, call in calls:
            if alone:
                self._answer(number, call, share)
            else:
                self._threads.submit(self._attempt, number, call, share)
        return True

    def close(self) -> None:
        """Wait for the calls under way; from now on none begins."""
        self._closed = True
        self._threads.shutdown()

    def _attempt(self, number: int, call: Call, size: int) -> None:
        try:
            self._answer(number, call, size)
        except BaseException as error:  # noqa: BLE001 - raised by the thread that asks
            self._failure = error

    def _answer(self, number: int, call: Call, size: int) -> None:
        if self._closed:
            return
        reply = b"[%d,%b]" % (number, self._reply(call))
        with self._lock:
            self._under_way -= 1
            self._bytes -= size
            self._replies.append(reply)
        self._send_replies()

    def _send_replies(self) -> None:
        """Send what is there to be sent, unless another thread has sent it meanwhile."""
        with self._sending:
            with self._lock:
                replies, self._replies = self._replies, []
            for together in wire.fitting(replies):
                self._send(wire.frame_of("answers", together))
