"""How each kind of receiver is told: one class for each, and the choice among them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import urlencode, urlsplit, urlunsplit

from regbot.notify.notification import Notification, document
from regbot.notify.posting import Delivery, Poster
from regbot.notify.settings import Receiver
from regbot.notify.signing import signed
from regbot.notify.wording import worded
from regbot.stopping import Clock

_LONGEST_PING = 1000
"""Characters of the text that goes with a ping."""
_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "regbot:run")

Warn = Callable[[str], None]


class Channel(Protocol):
    """Sends notifications to one receiver."""

    def send(self, notification: Notification, message: str) -> Delivery:
        """Try once to send one. ``message`` is its id, the same in each try."""
        ...


class Webhook:
    """A POST of JSON, signed if there is a secret."""

    def __init__(self, receiver: Receiver, poster: Poster, warn: Warn, clock: Clock) -> None:
        self._receiver = receiver
        self._poster = poster
        self._warn = warn
        self._clock = clock

    def send(self, notification: Notification, message: str) -> Delivery:
        """See Channel. Each try is signed anew, since a signature is good for minutes."""
        wording = worded(notification, self._receiver, self._warn)
        texts = {"title": wording.title, "text": wording.text}
        body = json.dumps({**texts, **document(notification)}).encode()
        headers: Mapping[str, str] = {"Content-Type": "application/json"}
        secret = self._receiver.secret.reveal()
        if secret:
            headers = {**headers, **signed(secret, message, int(self._clock()), body)}
        return self._poster.post(self._receiver.url.reveal(), body, headers)


class Ping:
    """Start, success and fail, as Healthchecks expects them."""

    def __init__(self, receiver: Receiver, poster: Poster) -> None:
        self._receiver = receiver
        self._poster = poster

    def send(self, notification: Notification, message: str) -> Delivery:  # noqa: ARG002 - a ping has none
        """See Channel."""
        url = ping_url(self._receiver.url.reveal(), notification)
        text = notification.error or notification.summary
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        return self._poster.post(url, text[:_LONGEST_PING].encode("utf-8", "replace"), headers)


def ping_url(url: str, notification: Notification) -> str:
    """Where a ping goes: ``/start``, ``/fail``, ``/log`` for a test, or the URL itself.

    ``rid`` is a UUID made of the run's id, since Healthchecks takes no other text.
    """
    parts = urlsplit(url)
    ending = {"start": "/start", "failure": "/fail", "stopped": "/fail", "test": "/log"}
    path = parts.path.rstrip("/") + ending.get(notification.what, "")
    run = f"{notification.run} {notification.script}"
    rid = urlencode({"rid": uuid.uuid5(_IDS, run)}) if notification.run else ""
    query = "&".join(filter(None, (parts.query, rid)))
    return urlunsplit(parts._replace(path=path, query=query))


def open_channel(
    receiver: Receiver, poster: Poster, warn: Warn, clock: Clock = time.time
) -> Channel:
    """The channel to a receiver. Raises UsageError where apprise is needed and can't be used."""
    match receiver.way:
        case "webhook":
            return Webhook(receiver, poster, warn, clock)
        case "ping":
            return Ping(receiver, poster)
        case "apprise":
            from regbot.notify.by_apprise import ByApprise

            return ByApprise(receiver, warn)
