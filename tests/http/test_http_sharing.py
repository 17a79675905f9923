"""What all scripts of a process share of a host: pace, slots, tokens, the choice of a proxy."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.httpclient import OK, plain, pull, timed, web
from support.registry import ECR, TestRegistry
from support.scripted import Asked, Said, scripted

from regbot.errors import ConnectionFailed, RegistryError, ServerFault, Stopped
from regbot.events import Exchanged
from regbot.http.cutting import Timeouts
from regbot.http.exchange import Request
from regbot.http.hosts import Login, Secret
from regbot.http.proxies import Proxies
from regbot.stopping import Stop

HELPER = "docker-credential-ecr-test"


def test_scripts_share_the_requests_per_second_of_a_host() -> None:
    """Config: ``reqPerSec`` is of the host, not of each script."""
    with (
        scripted(lambda _: Said(200)) as server,
        timed(server.host, requests_per_second=2.0) as (own, time),
    ):
        scripts = [own.transport.bind(Stop()) for _ in range(3)]
        for exchange in scripts * 2:
            exchange.send(server.host, Request("GET", "/v2/", OK)).close()
        assert time.waits == [0.5] * 5


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_one_script_suffers_slows_the_others(status: int) -> None:
    """PITFALLS: 429 may carry ``Retry-After``: the whole host is left alone meanwhile."""
    answers = iter([Said(status, {"Retry-After": "7"})])
    with (
        scripted(lambda _: next(answers, Said(200))) as server,
        timed(server.host) as (own, time),
    ):
        first, second = own.transport.bind(Stop()), own.transport.bind(Stop())
        with pytest.raises(RegistryError, match=str(status)):
            first.send(server.host, Request("GET", "/v2/", OK, retry=False))
        assert time.waits == []
        second.send(server.host, Request("GET", "/v2/", OK)).close()
        assert time.waits == [7.0]


@pytest.mark.parametrize("other", ["localhost:5000", "team.example"])
def test_runs_take_turns_at_a_repository_by_all_names_of_its_registry(other: str) -> None:
    named = plain("team.example", hostname="127.0.0.1:5000")
    with web(named, plain("127.0.0.1:5000")) as client:
        first, ended = client.transport.bind(Stop()), Stop()
        ended.ask()
        second = client.transport.bind(ended)

        def take(repository: str) -> None:
            with second.turn(other, repository):
                pass

        with ThreadPoolExecutor(1) as pool:
            with first.turn("127.0.0.1:5000", "app"), first.turn(other, "app"):
                assert isinstance(pool.submit(take, "app").exception(), Stopped)
                assert pool.submit(take, "another").exception() is None
            assert pool.submit(take, "app").exception() is None


def test_thirty_two_requests_at_once_by_default() -> None:
    """Config: ``reqConcurrent`` is 32 a host where nothing is said."""
    door = threading.Condition()
    inside, most = 0, 0

    def answers(asked: Asked) -> Said:
        nonlocal inside, most
        with door:
            inside += 1
            most = max(most, inside)
            door.notify_all()
            door.wait_for(lambda: most >= 32, timeout=60)
            # Those that are one too many get time to come in.
            door.wait_for(lambda: most > 32, timeout=0.2)
            inside -= 1
        return Said(200)

    with scripted(answers) as server, web(plain(server.host)) as own:
        threads = [
            threading.Thread(target=lambda: own.send(server.host, "/v2/").close())
            for _ in range(40)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(server.asked) == 40
    assert most == 32


@pytest.mark.parametrize("method", ["HEAD", "GET", "PUT", "DELETE"])
def test_an_answer_without_a_body_leaves_the_connection_open(method: str) -> None:
    """Also where nobody reads it: a HEAD of each tag does not need a connection each."""
    with scripted(lambda _: Said(204 if method == "GET" else 200)) as server:
        with web(plain(server.host)) as own:
            for _ in range(3):
                own.send(server.host, "/v2/", method, expect=frozenset({200, 204})).close()
        assert server.connections == 1


def test_a_proxy_is_chosen_once_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies are resolved once a host, not on every request."""
    chosen: list[str] = []
    known = Proxies.choose

    def choose(self: Proxies, url: str) -> Secret:
        chosen.append(url)
        return known(self, url)

    monkeypatch.setattr(Proxies, "choose", choose)
    with scripted(lambda _: Said(200)) as proxy:
        environ = {"HTTP_PROXY": f"http://{proxy.host}"}
        with web(plain("a.test"), plain("b.test"), environ=environ) as own:
            for host in ("a.test", "b.test") * 5:
                own.get(host, "/v2/")
        assert len(proxy.asked) == 10
    assert chosen == ["http://a.test/v2/", "http://b.test/v2/"]


def test_a_slow_token_server_is_named() -> None:
    """PITFALLS: a token server that is slow ends in one clear error that names it."""
    with TestRegistry(auth="bearer", users={"joe": "geheim"}) as registry:
        login = plain(registry.host, login=Login("joe", Secret("geheim")))
        registry.break_next("stall", path="/token", times=99, seconds=30.0)
        with (
            web(login, timeouts=Timeouts(read=0.1)) as own,
            pytest.raises(ConnectionFailed, match=r"/token: no answer came within 0.1s"),
        ):
            own.get(registry.host, "/v2/app/tags/list", scopes=pull("app"))
        asked = [event.url for event in own.events if isinstance(event, Exchanged)]
        assert len([url for url in asked if "/token" in url]) == 5


def test_a_token_server_in_trouble_is_not_asked_for_ever() -> None:
    """PITFALLS: no retry storm: a token server is tried as often as a registry."""
    with TestRegistry(auth="bearer", users={"joe": "geheim"}) as registry:
        registry.break_next(path="/token", times=99, status=503)
        with (
            web(plain(registry.host, login=Login("joe", Secret("geheim")))) as own,
            pytest.raises(ServerFault, match=r"/token: 503"),
        ):
            own.get(registry.host, "/v2/app/tags/list", scopes=pull("app"))
        assert len(registry.asked(part="/token")) == 5


def ecr_helper(folder: Path, password: str) -> Mapping[str, str]:
    """A helper that knows a password, which may be another one later."""
    path = folder / HELPER
    path.write_text(f'#!/bin/sh\necho \'{{"Username": "AWS", "Secret": "{password}"}}\'\n')
    path.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder)}


@pytest.mark.parametrize("hours", [2, 13], ids=["the helper is asked each hour", "it ended"])
def test_a_password_that_lives_for_twelve_hours(tmp_path: Path, hours: int) -> None:
    """PITFALLS: ECR helper passwords last 12 h."""
    now, users = [0.0], {"AWS": "word-one"}
    environ = ecr_helper(tmp_path, "word-one")
    with TestRegistry(ECR, users=users) as registry:
        registry.put_image("app", "v1")
        login = plain(registry.host, login=Login(helper=HELPER, helper_expires=3600.0 * hours))
        with web(login, environ=environ, clock=lambda: now[0]) as own:
            assert b"v1" in own.get(registry.host, "/v2/app/tags/list", scopes=pull("app"))
            users["AWS"] = "word-two"
            ecr_helper(tmp_path, "word-two")
            now[0] = 12.5 * 3600
            assert b"v1" in own.get(registry.host, "/v2/app/tags/list", scopes=pull("app"))
            assert "word-two" not in repr(own.events)
