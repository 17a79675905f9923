"""Receivers that apprise tells, by its json:// against a real server."""

from __future__ import annotations

import json
import sys

import pytest
from support.hanging import without_hanging
from support.receiving import Answer

from regbot.errors import UsageError
from regbot.http.hosts import Secret
from regbot.notify.notification import Notification
from regbot.notify.settings import Receiver
from regbot.stopping import Stop

# Its modules import what Python removes one day; Python itself doesn't tell users that.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

FAILED = Notification(
    "failure", 0.0, frozenset({"failure"}), ("nightly",), "nightly", error="<b>denied</b> & *so*"
)


def by_apprise(inbox, *, path="token-of-secret", **more):
    url = inbox.url.replace("http://", "json://bot:secret-password@")
    return Receiver("apprise", Secret(f"{url}/{path}"), "bot.yml:5", **more)


def test_title_and_text_arrive_as_they_are(serve, open_notifier, events, capfd):
    inbox = serve()
    notifier = open_notifier(by_apprise(inbox))
    notifier.tell(FAILED)
    notifier.close(Stop(), 20)
    (request,) = inbox.rest()
    assert request.path == "/token-of-secret"
    sent = json.loads(request.body)
    assert sent["title"] == "regbot: nightly failed"
    assert sent["message"] == "<b>denied</b> & *so*"
    assert sent["type"] == "failure"
    assert events == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("what", "kind"), [("recovery", "success"), ("changes", "warning"), ("approval", "warning")]
)
def test_the_kind_says_how_urgent_it_is(what, kind, serve, open_notifier):
    inbox = serve()
    open_notifier(by_apprise(inbox, when=("always",))).tell(Notification(what, 0.0, summary="x"))
    assert json.loads(inbox.next().body)["type"] == kind


@pytest.mark.parametrize(
    ("answer", "tries", "why"),
    [
        (Answer(500), 3, "it answered with status 500"),
        (Answer(403), 1, "it answered with status 403"),
        (Answer(drops=True), 3, "it could not be delivered (check the URL and the network)"),
    ],
)
def test_a_failure_is_logged_without_the_url(
    answer, tries, why, serve, open_notifier, events, capfd
):
    inbox = serve(answer)
    notifier = open_notifier(by_apprise(inbox))
    notifier.tell(FAILED)
    notifier.close(Stop(), 30)
    assert len(inbox.rest()) == tries
    (event,) = events
    assert event.text == f"a notification was not sent: {why}"
    assert event.fields["receiver"] == "apprise of bot.yml:5"
    shown = repr(event) + "".join(capfd.readouterr())
    assert "secret" not in shown


def test_one_that_hangs_does_not_hold_up_the_end(serve, open_notifier, events):
    inbox = serve()
    inbox.gate.clear()
    notifier = open_notifier(by_apprise(inbox))
    notifier.tell(FAILED)
    inbox.next()
    with without_hanging(20):
        notifier.close(Stop(), 0.1)
    assert events[0].text == "1 notification was not sent before the end"


@pytest.mark.parametrize("url", ["secret://x", "slack://secret", "json://"])
def test_a_url_that_apprise_does_not_know_is_told_at_the_start(url, open_notifier, capfd):
    with pytest.raises(UsageError) as caught:
        open_notifier(Receiver("apprise", Secret(url), "bot.yml:5"))
    assert str(caught.value).startswith("bot.yml:5: apprise doesn't know this URL")
    assert "secret" not in str(caught.value) + "".join(capfd.readouterr())


def test_without_the_package_it_says_what_to_install(open_notifier, monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(UsageError) as caught:
        open_notifier(Receiver("apprise", Secret("json://127.0.0.1"), "bot.yml:5"))
    assert str(caught.value) == (
        "bot.yml:5: apprise needs a package that is not installed (pip install '.[notify]')"
    )


def test_other_receivers_do_without_it(serve, open_notifier, monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    inbox = serve()
    open_notifier(Receiver("webhook", Secret(inbox.url))).tell(FAILED)
    inbox.next()
