"""Tells each receiver what it wants to be told of."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from functools import partial

from regbot.errors import UsageError
from regbot.events import Emit, Message
from regbot.http.cutting import Timeouts
from regbot.notify.channels import open_channel
from regbot.notify.notification import Notification
from regbot.notify.outbox import Outbox, Tries
from regbot.notify.posting import TIMEOUTS, Poster
from regbot.notify.settings import Receiver
from regbot.stopping import FINISHED_BY, Stop

_TELLS_AFTER = 1.0
"""Seconds after which it is told that the end waits for receivers."""
_LOOKS_AT_STOP = 0.05
"""Seconds after which the end looks whether it has to hurry."""


def wants(receiver: Receiver, notification: Notification) -> bool:
    """Whether a receiver is to be told of it.

    A ping is told of the begin and the end of runs, but not of plans that are applied,
    which says nothing of whether the script runs when it is due.
    """
    if notification.what == "test":
        return True
    if receiver.scripts and not set(receiver.scripts) & set(notification.scripts):
        return False
    if receiver.way == "ping":
        is_of_run = notification.what not in ("approval", "lapsed")
        return is_of_run and notification.command != "apply"
    if notification.what == "start":
        return False
    return "always" in receiver.when or not notification.occasions.isdisjoint(receiver.when)


class Notifier:
    """Hands notifications to the outboxes of those who want them. Threads may share it."""

    def __init__(
        self,
        receivers: Iterable[Receiver],
        emit: Emit,
        environ: Mapping[str, str],
        *,
        tries: Tries = Tries(),
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        """Raises UsageError for a receiver that can't be told in this installation."""
        self._emit = emit
        self._stop = Stop(grace=0.0)
        self._poster = Poster(environ, self._stop, timeouts)
        self._tries = tries
        self._lock = threading.Lock()
        self._past: list[Outbox] = []
        self._outboxes = {receiver: self._opened(receiver) for receiver in receivers}

    def tell(self, notification: Notification) -> None:
        """Have a notification sent to all who want it. Neither waits nor raises."""
        with self._lock:
            for receiver, outbox in self._outboxes.items():
                if wants(receiver, notification):
                    outbox.put(notification)

    def change(self, receivers: Iterable[Receiver]) -> None:
        """Tell these receivers from now on. What waits for the others is still sent.

        One that can't be told in this installation is left out, with an error in the log. No
        two threads may call this at once.
        """
        outboxes: dict[Receiver, Outbox] = {}
        for receiver in receivers:
            try:
                outbox = self._outboxes.get(receiver) or self._opened(receiver)
            except UsageError as error:
                self._emit(Message("error", f"a receiver is not told: {error}"))
                continue
            outboxes[receiver] = outbox
        with self._lock:
            gone = [box for receiver, box in self._outboxes.items() if receiver not in outboxes]
            self._outboxes = outboxes
            self._past = [*(outbox for outbox in self._past if not outbox.wait(0)), *gone]
        for outbox in gone:
            outbox.end()

    def close(self, stop: Stop, seconds: float) -> None:
        """Give what waits so many seconds to be sent, and log what was not.

        When ``stop`` is asked, all is over at the end of its grace.
        """
        with self._lock:
            outboxes = [*self._outboxes.values(), *self._past]
            self._outboxes, self._past = {}, []
        for outbox in outboxes:
            outbox.end()
        self._wait_for(outboxes, stop.to_finish(seconds, FINISHED_BY))
        self._stop.ask()
        for outbox in outboxes:
            outbox.tell_unsent()
        self._poster.close()

    def _wait_for(self, outboxes: Iterable[Outbox], patience: Stop) -> None:
        """Wait until all is sent, or ``patience`` is at its end. If it takes long, tell why."""
        began, is_told = time.monotonic(), False
        while not all(outbox.wait(_LOOKS_AT_STOP) for outbox in outboxes):
            if patience.reason():
                return
            if not is_told and time.monotonic() - began > _TELLS_AFTER:
                is_told = True
                self._emit(Message("info", "waiting until all notifications are sent"))

    def _opened(self, receiver: Receiver) -> Outbox:
        warn = partial(_warn, self._emit, receiver)
        channel = open_channel(receiver, self._poster, warn)
        return Outbox(str(receiver), channel, self._stop, self._emit, self._tries)


def _warn(emit: Emit, receiver: Receiver, text: str) -> None:
    emit(Message("warn", text, {"receiver": str(receiver)}))
