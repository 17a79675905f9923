"""Pings, as Healthchecks expects them."""

from __future__ import annotations

import uuid
from urllib.parse import parse_qs, urlsplit

import pytest

from regbot.http.hosts import Secret
from regbot.notify.notification import Notification
from regbot.notify.settings import Receiver
from regbot.stopping import Stop

RUN = "20261129-011530-a1b2"


def ping(url):
    return Receiver("ping", Secret(url), "bot.yml:9", scripts=("nightly",))


def told(what, script="nightly", command="server", run=RUN, **more):
    return Notification(what, 0.0, scripts=(script,), command=command, run=run, **more)


def test_start_success_and_fail_of_a_run_have_one_id(serve, open_notifier):
    inbox = serve()
    notifier = open_notifier(ping(f"{inbox.url}/ping/0d1e2f"))
    for what in ("start", "success", "start", "failure", "start", "changes", "start", "recovery"):
        notifier.tell(told(what))
    requests = [inbox.next() for _ in range(8)]
    begin, good, bad = "/ping/0d1e2f/start", "/ping/0d1e2f", "/ping/0d1e2f/fail"
    paths = [urlsplit(request.path).path for request in requests]
    assert paths == [begin, good, begin, bad, begin, good, begin, good]
    assert {request.method for request in requests} == {"POST"}
    (rid,) = {parse_qs(urlsplit(request.path).query)["rid"][0] for request in requests}
    assert str(uuid.UUID(rid)) == rid


def test_another_run_has_another_id(serve, open_notifier):
    inbox = serve()
    notifier = open_notifier(ping(inbox.url))
    notifier.tell(told("start"))
    notifier.tell(told("start", run="20261130-011530-a1b2"))
    assert inbox.next().path != inbox.next().path


def test_a_run_that_is_not_on_record_has_no_id(serve, open_notifier):
    inbox = serve()
    open_notifier(ping(f"{inbox.url}/x?create=1")).tell(told("start", run=""))
    assert inbox.next().path == "/x/start?create=1"


def test_a_query_stays(serve, open_notifier):
    inbox = serve()
    open_notifier(ping(f"{inbox.url}/x/?create=1")).tell(told("failure"))
    parts = urlsplit(inbox.next().path)
    assert parts.path == "/x/fail"
    assert parse_qs(parts.query).keys() == {"create", "rid"}


def test_the_error_is_a_short_body(serve, open_notifier):
    inbox = serve()
    notifier = open_notifier(ping(inbox.url))
    notifier.tell(told("failure", error="denied", summary="changed nothing"))
    notifier.tell(told("success", summary="deleted 1 tag"))
    notifier.tell(told("failure", error="é" * 5000))
    assert inbox.next().body == b"denied"
    assert inbox.next().body == b"deleted 1 tag"
    assert inbox.next().body == "é".encode() * 1000


@pytest.mark.parametrize(
    "other",
    [
        told("failure", script="other"),
        told("failure", command="apply"),
        told("approval", command="plan"),
        told("lapsed", command="plan"),
    ],
)
def test_what_is_no_run_of_the_script_pings_nobody(other, serve, open_notifier, events):
    inbox = serve()
    notifier = open_notifier(ping(inbox.url))
    notifier.tell(other)
    notifier.close(Stop(), 10)
    assert inbox.rest() == []
    assert events == []


def test_a_run_that_was_stopped_did_not_succeed(serve, open_notifier):
    inbox = serve()
    open_notifier(ping(f"{inbox.url}/x")).tell(told("stopped", error="stopped"))
    assert urlsplit(inbox.next().path).path == "/x/fail"
