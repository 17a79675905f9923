"""Urgent requests: putting back what was taken goes before everything."""

from __future__ import annotations

import threading

import pytest
from support.httpclient import OK, Web, plain, pull, timed, web
from support.registry import Quirks, TestRegistry
from support.scripted import Asked, Said, scripted

from regbot.errors import ConnectionFailed, RegistryError, ScriptTimeout, ServerFault, Unauthorized
from regbot.events import Delayed
from regbot.http.exchange import Request
from regbot.http.hosts import Login, Secret
from regbot.stopping import Stop

CREATED = frozenset({201})
BUSY = {"Retry-After": "60"}


def put_back(own: Web, host: str) -> None:
    own.send(host, "/v2/app/manifests/v1", "PUT", urgent=True, body=b"{}", expect=CREATED).close()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_it_is_tried_at_short_intervals_until_it_is_answered(status: int) -> None:
    answers = iter([Said(status, BUSY)] * 7)
    with scripted(lambda _: next(answers, Said(201))) as server, timed(server.host) as (own, time):
        put_back(own, server.host)
    assert len(server.asked) == 8
    assert time.waits == [0.2, 0.4, 0.8, 1.0, 1.0, 1.0, 1.0]


def test_a_lost_connection_is_tried_again_too() -> None:
    with scripted(lambda _: Said(201)) as server, timed(server.host, timeout=3.0) as (own, time):
        put_back(own, server.host)
    with timed(server.host, timeout=3.0) as (own, time):
        with pytest.raises(ScriptTimeout) as caught:
            put_back(own, server.host)
        assert isinstance(caught.value.__cause__, ConnectionFailed)
    assert time.waits == [0.2, 0.4, 0.8, 1.0, 1.0]


def test_neither_back_off_nor_retry_after_nor_a_rate_holds_it_up() -> None:
    """The registry that refused a delete with 429 is the one to put the tag back on."""

    def answers(asked: Asked) -> Said:
        return Said(201) if asked.method == "PUT" else Said(429, BUSY)

    with scripted(answers) as server, timed(server.host) as (own, time):
        with pytest.raises(RegistryError):
            own.send(server.host, "/v2/app/manifests/sha256:0", "DELETE", retry=False)
        put_back(own, server.host)
        assert time.waits == []
        assert not [event for event in own.events if isinstance(event, Delayed)]


def test_its_failures_do_not_slow_the_host_down() -> None:
    answers = iter([Said(503, BUSY), Said(503, BUSY)])
    with scripted(lambda _: next(answers, Said(201))) as server, timed(server.host) as (own, time):
        put_back(own, server.host)
        own.send(server.host, "/v2/", expect=CREATED).close()
    assert time.waits == [0.2, 0.4]


def test_it_needs_no_slot() -> None:
    with (
        scripted(lambda asked: Said(201 if asked.method == "PUT" else 200)) as server,
        web(plain(server.host, concurrency=1), stop=Stop(timeout=60)) as own,
        own.send(server.host, "/v2/"),
    ):
        thread = threading.Thread(target=put_back, args=(own, server.host), daemon=True)
        thread.start()
        thread.join(30)
        assert not thread.is_alive()


def test_other_answers_end_it_at_once() -> None:
    with scripted(lambda _: Said(403)) as server, timed(server.host) as (own, time):
        with pytest.raises(RegistryError, match="403"):
            put_back(own, server.host)
        assert len(server.asked) == 1
        assert time.waits == []


def test_the_stop_ends_it_and_the_last_failure_is_its_cause() -> None:
    with scripted(lambda _: Said(503)) as server, timed(server.host, timeout=4.5) as (own, time):
        with pytest.raises(ScriptTimeout) as caught:
            put_back(own, server.host)
        assert isinstance(caught.value.__cause__, ServerFault)
    assert time.waits == [0.2, 0.4, 0.8, 1.0, 1.0, 1.0, 1.0]


def test_its_token_is_urgent_too() -> None:
    """Also where a token server has to be asked first, and fails."""
    with (
        TestRegistry(Quirks(auth="bearer", users={"joe": "geheim"})) as registry,
        web(plain(registry.host, login=Login("joe", Secret("geheim")))) as own,
    ):
        registry.put_image("app", "v1")
        registry.break_next("status", "GET", "/token", status=503, times=2)
        answer = own.send(
            registry.host, "/v2/app/tags/list", scopes=pull("app"), expect=OK, urgent=True
        )
        answer.close()
        assert len(registry.asked(part="/token")) == 3
        assert not [event for event in own.events if isinstance(event, Delayed)]


def test_a_refused_login_ends_it() -> None:
    with (
        TestRegistry(auth="basic", users={"joe": "geheim"}) as registry,
        web(plain(registry.host, login=Login("joe", Secret("wrong")))) as own,
    ):
        request = Request("PUT", "/v2/app/manifests/v1", CREATED, body=b"{}", urgent=True)
        with pytest.raises(Unauthorized):
            own.exchange.send(registry.host, request)
