"""The signature of a webhook, checked as a receiver does it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

import pytest
from support.receiving import Answer

from regbot.errors import InvalidValue
from regbot.http.hosts import Secret
from regbot.notify.notification import Notification
from regbot.notify.settings import Receiver
from regbot.notify.signing import key_of, signed

FAILED = Notification("failure", 0.0, frozenset({"failure"}))


def signature(key, request):
    headers = request.headers
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
    return base64.b64encode(hmac.digest(key, content, "sha256")).decode()


def test_the_example_of_the_scheme():
    """A known answer, worked out with openssl."""
    headers = signed(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("whsec_" + base64.b64encode(b"k" * 24).decode(), b"k" * 24),
        ("any text of sixteen bytes", b"any text of sixteen bytes"),
    ],
)
def test_each_try_is_signed_with_its_time(secret, key, serve, open_notifier):
    inbox = serve(Answer(503), Answer(200))
    open_notifier(Receiver("webhook", Secret(inbox.url), secret=Secret(secret))).tell(FAILED)
    first, second = inbox.next(), inbox.next()
    for request in (first, second):
        assert request.headers["webhook-signature"] == f"v1,{signature(key, request)}"
        assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 300
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_two_messages_have_two_ids(serve, open_notifier):
    inbox = serve()
    notifier = open_notifier(Receiver("webhook", Secret(inbox.url), secret=Secret("k" * 16)))
    notifier.tell(FAILED)
    notifier.tell(FAILED)
    assert inbox.next().headers["webhook-id"] != inbox.next().headers["webhook-id"]


def test_without_a_secret_nothing_is_signed(serve, open_notifier):
    inbox = serve()
    open_notifier(Receiver("webhook", Secret(inbox.url))).tell(FAILED)
    assert "webhook-signature" not in inbox.next().headers


@pytest.mark.parametrize("secret", ["short", "whsec_c2hvcnQ=", "whsec_not base64", "whsec_"])
def test_a_secret_that_protects_nothing_is_refused(secret):
    with pytest.raises(InvalidValue) as caught:
        key_of(secret)
    assert secret not in str(caught.value)


def test_the_hash_is_sha256():
    headers = signed("k" * 16, "id", 1, b"body")
    digest = base64.b64decode(headers["webhook-signature"].removeprefix("v1,"))
    assert len(digest) == hashlib.sha256().digest_size
