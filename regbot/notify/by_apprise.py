"""Chats, mail and push services by apprise, which is imported when a receiver needs it.

What apprise logs may have parts of a URL in it, so nothing of it is shown but the status
that a service answered with.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from regbot.errors import UsageError
from regbot.http.pacing import OVERLOADED
from regbot.notify.notification import Notification, What
from regbot.notify.posting import Delivery
from regbot.notify.settings import Receiver
from regbot.notify.wording import worded

if TYPE_CHECKING:
    from collections.abc import Callable

    from apprise import Apprise

_INSTALL = "pip install '.[notify]'"
_STATUS = re.compile(r"\berror=([1-5][0-9]{2})\b")
_BAD: frozenset[What] = frozenset({"failure", "lapsed"})
_GOOD: frozenset[What] = frozenset({"success", "recovery"})


class ByApprise:
    """Tells one receiver by apprise, in the thread that calls it."""

    def __init__(self, receiver: Receiver, warn: Callable[[str], None]) -> None:
        """Raises UsageError without apprise, and for a URL that it doesn't know."""
        self._receiver = receiver
        self._warn = warn
        with _heard():
            self._apprise = _opened(receiver)

    def send(self, notification: Notification, message: str) -> Delivery:  # noqa: ARG002 - no id
        """See Channel."""
        from apprise import NotifyFormat, NotifyType

        kind = NotifyType.WARNING
        if notification.what in _BAD:
            kind = NotifyType.FAILURE
        elif notification.what in _GOOD:
            kind = NotifyType.SUCCESS
        wording = worded(notification, self._receiver, self._warn)
        with _heard() as lines:
            has_arrived = self._apprise.notify(
                body=wording.text or wording.title,
                title=wording.title,
                notify_type=kind,
                body_format=NotifyFormat.TEXT,
            )
        return Delivery() if has_arrived else _failed(lines)


def _failed(lines: list[str]) -> Delivery:
    statuses = [int(match[1]) for line in lines for match in _STATUS.finditer(line)]
    if not statuses:
        return Delivery("it could not be delivered (check the URL and the network)", retry=True)
    return Delivery(f"it answered with status {statuses[-1]}", statuses[-1] in OVERLOADED)


def _opened(receiver: Receiver) -> Apprise:
    try:
        from apprise import Apprise, AppriseAsset
    except ImportError:
        why = f"apprise needs a package that is not installed ({_INSTALL})"
        raise UsageError(f"{receiver.place}: {why}") from None
    asset = AppriseAsset(
        app_id="regbot",
        app_desc="regbot",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        secure_logging=True,
        storage_mode="memory",
        service_timeout=0,
    )
    opened = Apprise(asset=asset)
    if not opened.add(receiver.url.reveal()):
        why = "apprise doesn't know this URL (its documentation lists the services)"
        raise UsageError(f"{receiver.place}: {why}")
    return opened


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What apprise logs in this thread meanwhile, which nobody else gets to see."""
    lines: list[str] = []
    thread = threading.get_ident()

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                lines.append(record.getMessage())

    logger = logging.getLogger("apprise")
    logger.propagate = False
    keep = Keep(logging.WARNING)
    logger.addHandler(keep)
    try:
        yield lines
    finally:
        logger.removeHandler(keep)
