"""What one receiver is still to be told, and the thread that tells it."""

from __future__ import annotations

import queue
import random
import threading
import uuid

from regbot.errors import RegbotError
from regbot.events import Emit, Message
from regbot.http.pacing import LONGEST_RETRY_AFTER
from regbot.notify.channels import Channel
from regbot.notify.notification import Notification
from regbot.notify.posting import Delivery
from regbot.stopping import Stop
from regbot.values import dataclass

MOST_WAITING = 100
"""Notifications that may wait for one receiver; what comes then is dropped."""


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a notification is tried, and about how many seconds after the first try.

    Each further pause is four times as long.
    """

    most: int = 3
    pause: float = 2.0


def deliver(channel: Channel, notification: Notification, stop: Stop, tries: Tries) -> Delivery:
    """Send a notification, in several tries if that may help. Never raises."""
    message = f"msg_{uuid.uuid4().hex}"
    pause, left = tries.pause, tries.most
    while True:
        delivery = _tried(channel, notification, message)
        left -= 1
        if not (delivery.retry and left):
            return delivery
        asked_for = min(delivery.after or 0.0, LONGEST_RETRY_AFTER)
        try:
            stop.wait(max(asked_for, pause * (0.75 + random.random() / 2)))  # noqa: S311
        except RegbotError:
            return delivery
        pause *= 4


def _tried(channel: Channel, notification: Notification, message: str) -> Delivery:
    try:
        return channel.send(notification, message)
    except Exception as error:  # noqa: BLE001 - its text may have the URL in it
        return Delivery(f"internal error: {type(error).__name__}")


class Outbox:
    """Sends notifications to one receiver in their order, in a thread of its own.

    ``name`` is what messages call the receiver. When ``stop`` is asked, nothing more is
    sent. Nothing here raises, and nobody waits but who calls ``wait``.
    """

    def __init__(
        self, name: str, channel: Channel, stop: Stop, emit: Emit, tries: Tries = Tries()
    ) -> None:
        self._name = name
        self._channel = channel
        self._stop = stop
        self._emit = emit
        self._tries = tries
        self._queue: queue.SimpleQueue[Notification | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._left = 0
        self._is_full = False

    def put(self, notification: Notification) -> None:
        """Have a notification sent soon. If too many wait, it is dropped with a warning."""
        with self._lock:
            was_full, self._is_full = self._is_full, self._left >= MOST_WAITING
            is_full = self._is_full
            if not is_full:
                self._left += 1
                self._queue.put(notification)
                self._begin()
        if is_full and not was_full:
            self._say(f"{MOST_WAITING} notifications wait already, so more are dropped")

    def _begin(self) -> None:
        if not self._thread:
            self._thread = threading.Thread(target=self._work, name="notifications", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Let the thread end when it has sent what waits."""
        self._queue.put(None)

    def wait(self, seconds: float) -> bool:
        """Wait for the thread to end, for so long at most; whether it has ended."""
        if not self._thread:
            return True
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def tell_unsent(self) -> None:
        """Log how many notifications were not sent before the end, if any."""
        if self._left:
            noun = "notification was" if self._left == 1 else "notifications were"
            self._say(f"{self._left} {noun} not sent before the end")

    def _work(self) -> None:
        while notification := self._queue.get():
            delivery = deliver(self._channel, notification, self._stop, self._tries)
            if delivery.problem and self._stop.asked:
                return  # it counts as not sent, and so does all that waits behind it
            with self._lock:
                self._left -= 1
            if delivery.problem:
                self._say(f"a notification was not sent: {delivery.problem}", notification.script)

    def _say(self, text: str, script: str = "") -> None:
        about = {"script": script} if script else {}
        self._emit(Message("warn", text, {"receiver": self._name, **about}))
