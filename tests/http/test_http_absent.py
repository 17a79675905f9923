"""A host that is not there: tried a few times, and then left alone for a while."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest
from support.httpclient import Web, pull, timed
from support.registry import TestRegistry
from support.scripted import Said, scripted
from support.servers import free_port

from regbot.errors import ConnectionFailed, ServerFault
from regbot.events import Exchanged

LIST = "/v2/app/tags/list"


def tries(client: Web) -> int:
    """How often a request was sent that no answer came to."""
    return len([x for x in client.events if isinstance(x, Exchanged) and not x.status])


def fail(client: Web, host: str, url: str = LIST, **more: object) -> str:
    """The error of a request that can't succeed."""
    with pytest.raises(ConnectionFailed) as caught:
        client.get(host, url, **more)
    return str(caught.value)


def nowhere() -> str:
    return f"127.0.0.1:{free_port()}"


def test_a_host_that_never_answered_is_tried_five_times_in_all() -> None:
    """Each further repository would take longer than the one before it."""
    host = nowhere()
    with timed(host) as (client, time):
        errors = {fail(client, host) for _ in range(4)}
        assert tries(client) == 5
        assert len(time.waits) == 4
    assert len(errors) == 1
    assert "connection refused: nothing listens there" in errors.pop()


def test_it_is_tried_anew_half_a_minute_later() -> None:
    """The next run of a server may find it there."""
    host = nowhere()
    with timed(host) as (client, time):
        fail(client, host)
        time.now += 29
        fail(client, host)
        assert tries(client) == 5
        time.now += 2
        fail(client, host)
        fail(client, host)
        assert tries(client) == 10


def test_a_name_that_can_not_be_resolved_for_now(monkeypatch: pytest.MonkeyPatch) -> None:
    def unresolved(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    with timed("registry.example") as (client, _):
        for _ in range(3):
            assert "the name can't be resolved" in fail(client, "registry.example")
        assert tries(client) == 5


def test_a_host_that_answered_before_is_tried_for_every_request() -> None:
    """A registry may be restarted in the middle of a run."""
    with ExitStack() as stack:
        with scripted(lambda _: Said(200)) as server:
            client, _ = stack.enter_context(timed(server.host))
            client.get(server.host, LIST)
        for expected in (5, 10, 15):
            fail(client, server.host)
            assert tries(client) == expected


def test_an_error_is_an_answer_too() -> None:
    with ExitStack() as stack:
        with scripted(lambda _: Said(503)) as server:
            client, _ = stack.enter_context(timed(server.host))
            with pytest.raises(ServerFault):
                client.get(server.host, LIST, retry=False)
        for expected in (5, 10):
            fail(client, server.host)
            assert tries(client) == expected


def test_a_host_that_is_there_but_breaks_off_is_tried_for_every_request() -> None:
    with TestRegistry() as registry, timed(registry.host) as (client, _):
        registry.break_next("drop", times=10)
        for expected in (5, 10):
            fail(client, registry.host)
            assert tries(client) == expected


def test_where_a_redirect_leads_says_nothing_of_the_registry() -> None:
    """A blob may be kept at a host that is down."""
    target = {"Location": f"http://{nowhere()}/blob"}
    with scripted(lambda _: Said(307, target)) as server, timed(server.host) as (client, _):
        for expected in (5, 10):
            fail(client, server.host, "/v2/app/blobs/sha256:0")
            assert len(server.asked) == expected


def test_a_token_server_that_is_not_there() -> None:
    """Each repository has a token of its own."""
    realm = {"WWW-Authenticate": f'Bearer realm="http://{nowhere()}/token",service="r"'}
    with scripted(lambda _: Said(401, realm)) as server, timed(server.host) as (client, _):
        for name in ("a", "b", "c"):
            assert "/token: connection refused" in fail(
                client, server.host, f"/v2/{name}/tags/list", scopes=pull(name)
            )
        assert tries(client) == 5


def test_an_answer_of_long_ago_does_not_count() -> None:
    """A server has asked the registry in an earlier run, long before it went down."""
    with ExitStack() as stack:
        with scripted(lambda _: Said(200)) as server:
            client, time = stack.enter_context(timed(server.host))
            client.get(server.host, LIST)
        time.now += 700
        for _ in range(3):
            fail(client, server.host)
        assert tries(client) == 5
