"""How notifications reach receivers, and what happens where they don't."""

from __future__ import annotations

import json
import time

import pytest
from support.certificates import Authority
from support.hanging import without_hanging
from support.receiving import Answer

from regbot.events import Message
from regbot.http.cutting import Timeouts
from regbot.http.hosts import Secret
from regbot.notify.notification import Change, Notification, Waiting
from regbot.notify.outbox import MOST_WAITING, Tries
from regbot.notify.settings import Receiver
from regbot.stopping import Stop

FAILED = Notification(
    "failure",
    1_796_000_000.5,
    frozenset({"failure"}),
    ("nightly",),
    "nightly",
    "server",
    "20261129-011530-a1b2",
    "failed",
    "nightly: 1 of 2 actions failed: denied",
    4.25,
    {"done": 1, "failed": 1},
    "deleted 1 tag in 1 repository in 4.2s; 1 action failed",
    (Change("delete tag", "registry.example.org/app:old", "done", "older than 30d"),),
)


def webhook(url, **more):
    return Receiver("webhook", Secret(url), "bot.yml:7", **more)


def warnings(events):
    return [event.text for event in events if isinstance(event, Message)]


def test_a_webhook_is_sent_json(serve, open_notifier, events):
    inbox = serve()
    notifier = open_notifier(webhook(f"{inbox.url}/hook?key=1"))
    notifier.tell(FAILED)
    request = inbox.next()
    assert (request.method, request.path) == ("POST", "/hook?key=1")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("regbot/")
    sent = json.loads(request.body)
    assert sent.pop("version")
    assert sent == {
        "title": "regbot: nightly failed",
        "text": (
            "nightly: 1 of 2 actions failed: denied\n"
            "deleted 1 tag in 1 repository in 4.2s; 1 action failed\n"
            "- delete tag registry.example.org/app:old: older than 30d"
        ),
        "event": "failure",
        "time": "2026-11-30T00:53:20Z",
        "script": "nightly",
        "command": "server",
        "run": "20261129-011530-a1b2",
        "status": "failed",
        "error": "nightly: 1 of 2 actions failed: denied",
        "seconds": 4.25,
        "counts": {"done": 1, "failed": 1},
        "summary": "deleted 1 tag in 1 repository in 4.2s; 1 action failed",
        "changes": [
            {
                "action": "delete tag",
                "reference": "registry.example.org/app:old",
                "status": "done",
                "reason": "older than 30d",
                "detail": "",
            }
        ],
        "more": 0,
        "link": "",
        "undo": "",
        "plan": None,
    }
    notifier.close(Stop(), 10)
    assert events == []


def test_a_plan_says_until_when_and_how_it_is_approved(serve, open_notifier):
    inbox = serve()
    plan = Waiting("20261129-011530-a1b2", 1_796_000_000.0, "regbot approve 20261129-011530-a1b2")
    waits = Notification("approval", 0.0, frozenset({"approval"}), script="nightly", plan=plan)
    open_notifier(webhook(inbox.url, when=("approval",))).tell(waits)
    sent = json.loads(inbox.next().body)
    assert sent["title"] == "regbot: nightly waits for approval of its plan"
    assert sent["text"] == (
        "approve until 2026-11-30T00:53:20Z with: regbot approve 20261129-011530-a1b2"
    )
    assert sent["plan"] == {
        "id": "20261129-011530-a1b2",
        "lapses": "2026-11-30T00:53:20Z",
        "approve": "regbot approve 20261129-011530-a1b2",
    }


def test_user_and_password_of_a_url_are_sent_as_a_header(serve, open_notifier):
    inbox = serve()
    url = inbox.url.replace("http://", "http://bot:p%40ss@")
    open_notifier(webhook(f"{url}/hook")).tell(FAILED)
    request = inbox.next()
    assert request.headers["authorization"] == "Basic Ym90OnBAc3M="
    assert request.path == "/hook"


@pytest.mark.parametrize("trouble", [Answer(500), Answer(429), Answer(503), Answer(drops=True)])
def test_what_may_pass_is_tried_again(trouble, serve, open_notifier, events):
    inbox = serve(trouble, trouble, Answer(204))
    notifier = open_notifier(webhook(inbox.url, secret=Secret("0123456789abcdef")))
    notifier.tell(FAILED)
    notifier.close(Stop(), 20)
    ids = [request.headers["webhook-id"] for request in inbox.rest()]
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert events == []


@pytest.mark.parametrize(
    ("trouble", "tries", "why"),
    [
        (Answer(500), 3, "it answered with status 500"),
        (Answer(404), 1, "it answered with status 404"),
        (Answer(410), 1, "it answered with status 410"),
        (Answer(drops=True), 3, "the connection was closed before an answer came"),
        (Answer(302, {"Location": "http://127.0.0.1:1/other"}), 1, "it is redirected"),
        (Answer(307, {"Location": "http://127.0.0.1:1/other"}), 1, "it is redirected"),
        (Answer(307, {"Location": "http://["}), 1, "it is redirected"),
        (Answer(307), 1, "it is redirected"),
        (Answer(308, {"Location": "/again"}), 4, "it is redirected more than 3 times"),
    ],
)
def test_what_was_not_sent_is_logged_once(trouble, tries, why, serve, open_notifier, events):
    inbox = serve(trouble)
    notifier = open_notifier(webhook(f"{inbox.url}/secret-path?secret=query"))
    notifier.tell(FAILED)
    notifier.close(Stop(), 20)
    assert len(inbox.rest()) == tries
    (event,) = events
    assert event.level == "warn"
    assert event.text.startswith(f"a notification was not sent: {why}")
    assert event.fields == {"receiver": "webhook of bot.yml:7", "script": "nightly"}
    assert "secret" not in repr(event)


def test_a_redirect_within_the_host_is_followed(serve, open_notifier, events):
    inbox = serve(Answer(307, {"Location": "/moved"}), Answer(200))
    notifier = open_notifier(webhook(f"{inbox.url}/hook"))
    notifier.tell(FAILED)
    notifier.close(Stop(), 20)
    assert [request.path for request in inbox.rest()] == ["/hook", "/moved"]
    assert events == []


def test_nobody_there(open_notifier, events):
    notifier = open_notifier(webhook("http://127.0.0.1:1/secret"))
    notifier.tell(FAILED)
    notifier.close(Stop(), 20)
    (event,) = events
    assert event.text == "a notification was not sent: connection refused: nothing listens there"


def test_retry_after_is_kept_to(serve, open_notifier):
    inbox = serve(Answer(429, {"Retry-After": "1"}), Answer(200))
    notifier = open_notifier(webhook(inbox.url))
    notifier.tell(FAILED)
    inbox.next()
    began = time.monotonic()
    inbox.next()
    assert time.monotonic() - began > 0.9


def test_a_receiver_that_hangs_is_left_after_the_timeout(serve, open_notifier, events):
    inbox = serve()
    inbox.gate.clear()
    notifier = open_notifier(
        webhook(inbox.url), timeouts=Timeouts(connect=5, read=0.3), tries=Tries(1)
    )
    notifier.tell(FAILED)
    notifier.close(Stop(), 20)
    assert warnings(events) == ["a notification was not sent: no answer came within 0.3s"]


def test_one_that_hangs_holds_up_neither_others_nor_the_end(serve, open_notifier, events):
    hanging, healthy = serve(), serve()
    hanging.gate.clear()
    notifier = open_notifier(webhook(f"{hanging.url}/secret"), webhook(healthy.url))
    with without_hanging(20):
        for _ in range(3):
            notifier.tell(FAILED)
        hanging.next()
        for _ in range(3):
            healthy.next()
        notifier.close(Stop(), 0.1)
    assert warnings(events) == ["3 notifications were not sent before the end"]
    assert events[0].fields == {"receiver": "webhook of bot.yml:7"}


def test_waiting_for_another_try_does_not_hold_up_the_end(serve, open_notifier, events):
    inbox = serve(Answer(429, {"Retry-After": "200"}))
    notifier = open_notifier(webhook(inbox.url))
    notifier.tell(FAILED)
    inbox.next()
    with without_hanging(20):
        notifier.close(Stop(), 0.1)
    assert warnings(events) == ["1 notification was not sent before the end"]


def test_what_waits_is_bounded(serve, open_notifier, events):
    inbox = serve()
    inbox.gate.clear()
    notifier = open_notifier(webhook(inbox.url))
    for _ in range(MOST_WAITING + 20):
        notifier.tell(FAILED)
    assert warnings(events) == [f"{MOST_WAITING} notifications wait already, so more are dropped"]
    inbox.gate.set()
    notifier.close(Stop(), 30)
    assert len(inbox.rest()) == MOST_WAITING
    assert len(events) == 1


def test_messages_arrive_in_their_order(serve, open_notifier):
    inbox = serve()
    notifier = open_notifier(webhook(inbox.url))
    for number in range(20):
        notifier.tell(Notification("failure", number, frozenset({"failure"})))
    times = [json.loads(inbox.next().body)["time"] for _ in range(20)]
    assert times == sorted(times)


def test_tls_trusts_the_authorities_of_the_environment(
    serve, open_notifier, events, tmp_path, monkeypatch
):
    authority = Authority.make(tmp_path / "ca")
    inbox = serve(tls=authority.server())
    receiver = webhook(f"{inbox.url}/secret")
    notifier = open_notifier(receiver)
    notifier.tell(FAILED)
    notifier.close(Stop(), 20)
    assert warnings(events)[0].startswith(
        "a notification was not sent: its certificate is not trusted"
    )
    assert "regcert" not in warnings(events)[0]
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca" / "ca.crt"))
    notifier = open_notifier(receiver)
    notifier.tell(FAILED)
    notifier.close(Stop(), 20)
    assert len(inbox.rest()) == 1
    assert len(events) == 1


def test_proxies_of_the_environment_are_used(serve, open_notifier):
    proxy = serve()
    environ = {"HTTP_PROXY": proxy.url}
    notifier = open_notifier(webhook("http://hooks.example.org/hook"), environ=environ)
    notifier.tell(FAILED)
    assert proxy.next().path == "http://hooks.example.org/hook"


def test_a_change_of_receivers_sends_what_waits_and_tells_the_new_ones(serve, open_notifier):
    before, after, both = serve(), serve(), serve()
    before.gate.clear()
    notifier = open_notifier(webhook(before.url), webhook(both.url))
    notifier.tell(FAILED)
    notifier.tell(FAILED)
    notifier.change([webhook(both.url), webhook(after.url)])
    notifier.tell(FAILED)
    after.next()
    before.gate.set()
    notifier.close(Stop(), 20)
    assert len(before.rest()) == 2
    assert len(both.rest()) == 3
    assert after.rest() == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what apprise imports
def test_a_change_leaves_out_whom_this_installation_cannot_tell(serve, open_notifier, events):
    inbox = serve()
    notifier = open_notifier()
    notifier.change([Receiver("apprise", Secret("hidden://"), "bot.yml:3"), webhook(inbox.url)])
    notifier.tell(FAILED)
    inbox.next()
    (event,) = events
    assert event.level == "error"
    assert event.text.startswith("a receiver is not told: bot.yml:3: apprise doesn't know")
