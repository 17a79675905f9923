"""Logins as they go over the wire: basic, tokens, identity tokens."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from support.httpclient import OK, plain, pull, web
from support.logins import BEARER, USERS, fill, joe, tags
from support.registry import ACR, GCR, GITLAB, QUAY, TestRegistry
from support.scripted import Asked, Said, scripted

from regbot.errors import ServerFault, Unauthorized
from regbot.http.exchange import Request, Scope
from regbot.http.hosts import Login, Secret


def test_basic_is_sent_when_asked_for_and_then_at_once() -> None:
    with TestRegistry(auth="basic", users=USERS) as registry, web(joe(registry)) as own:
        fill(registry)
        assert tags(own, registry) == ["v1"]
        assert tags(own, registry) == ["v1"]
        sent = ["authorization" in x.headers for x in registry.requests]
        assert sent == [False, True, True]


@pytest.mark.parametrize("switches", [{}, {"own_token_server": True}, {"two_challenges": True},
                                      {"token_field": "access_token"},
                                      {"scope_in_challenge": False}])  # fmt: skip
def test_a_token_is_fetched_once_and_used_again(switches: dict[str, Any]) -> None:
    """PITFALLS: both ``token`` and ``access_token``."""
    with TestRegistry(replace(BEARER, **switches)) as registry, web(joe(registry)) as own:
        fill(registry)
        for _ in range(5):
            assert tags(own, registry) == ["v1"]
        token = registry.asked(part="/token", role="token" if switches.get("own_token_server")
                               else "registry")  # fmt: skip
        assert len(token) == 1
        assert "scope=repository%3Aapp%3Apull" in token[0].path
        assert "service=test+registry" in token[0].path
        assert "account=joe" in token[0].path


def test_an_anonymous_token_is_enough_for_public_content() -> None:
    """PITFALLS: some registries give no challenge on ``/v2/`` (GCR)."""
    with TestRegistry(GCR) as registry, web(plain(registry.host)) as own:
        fill(registry)
        assert tags(own, registry) == ["v1"]
        assert "authorization" not in registry.asked(part="/token")[0].headers


def test_scopes_of_a_host_are_asked_for_together() -> None:
    """FAQ: a single token per registry by default."""
    with TestRegistry(BEARER) as registry, web(joe(registry)) as own:
        fill(registry, "a", "b")
        for name in ("a", "b", "a", "b"):
            tags(own, registry, name)
        tokens = registry.asked(part="/token")
        assert len(tokens) == 2
        assert "repository%3Ab%3Apull" in tokens[1].path
        assert "repository%3Aa%3Apull" in tokens[1].path


def test_repo_auth_asks_for_one_token_a_repository() -> None:
    """FAQ: ``repoAuth: true`` limits a token to a single repository."""
    quirks = replace(BEARER, scope_limit=1)
    with TestRegistry(quirks) as registry, web(joe(registry, repo_auth=True)) as own:
        fill(registry, "a", "b")
        for name in ("a", "b", "a", "b"):
            tags(own, registry, name)
        tokens = registry.asked(part="/token")
        assert [x.path.count("scope=") for x in tokens] == [1, 1]


def test_a_server_that_chokes_on_many_scopes_is_asked_for_fewer() -> None:
    """PITFALLS: some choke on a long scope list (ACR header too large)."""
    with TestRegistry(replace(ACR, users=USERS)) as registry, web(joe(registry)) as own:
        names = [f"repo{n}" for n in range(6)]
        fill(registry, *names)
        for name in names:
            assert tags(own, registry, name) == ["v1"]


def test_more_actions_need_another_token() -> None:
    with TestRegistry(BEARER) as registry, web(joe(registry)) as own:
        fill(registry)
        tags(own, registry)
        own.send(registry.host, "/v2/app/blobs/uploads/", "POST", expect=frozenset({202}),
                 scopes=pull("app", "pull", "push")).close()  # fmt: skip
        assert len(registry.asked(part="/token")) == 2
        tags(own, registry)
        assert len(registry.asked(part="/token")) == 2


def test_the_scope_of_the_challenge_counts_when_it_differs() -> None:
    with TestRegistry(BEARER) as registry, web(joe(registry)) as own:
        fill(registry)
        assert b"v1" in own.get(registry.host, "/v2/app/tags/list")


def test_a_token_is_renewed_before_its_end() -> None:
    """PITFALLS: renew before it ends."""
    now = [0.0]
    with TestRegistry(replace(BEARER, token_seconds=100)) as registry:
        registry.door.clock = lambda: now[0]
        with web(joe(registry), clock=lambda: now[0]) as own:
            fill(registry)
            tags(own, registry)
            now[0] = 89.0
            tags(own, registry)
            assert len(registry.asked(part="/token")) == 1
            now[0] = 91.0
            tags(own, registry)
            assert len(registry.asked(part="/token")) == 2
            refused = [x for x in registry.asked(part="/tags/") if "authorization" in x.headers]
            assert len(refused) == 3


def test_a_token_that_ends_early_is_replaced() -> None:
    """PITFALLS: a token lives at least 60 s, but a server may end it earlier."""
    with TestRegistry(replace(BEARER, short_token_uses=2)) as registry, web(joe(registry)) as own:
        fill(registry)
        for _ in range(7):
            assert tags(own, registry) == ["v1"]


def test_concurrent_requests_share_one_token_fetch() -> None:
    """Concurrent requests share one token fetch."""
    with TestRegistry(BEARER) as registry, web(joe(registry)) as own:
        fill(registry)
        registry.break_next("stall", path="/token", seconds=0.3)
        found: list[Any] = []
        threads = [
            threading.Thread(target=lambda: found.append(tags(own, registry))) for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [["v1"]] * 12
        assert len(registry.asked(part="/token")) == 1


def test_an_identity_token_is_exchanged_by_post() -> None:
    """PITFALLS: identity tokens are exchanged by POST."""
    quirks = replace(BEARER, identity_tokens={"idt/+=": "joe"})
    login = Login(identity_token=Secret("idt/+="))
    with TestRegistry(quirks) as registry, web(plain(registry.host, login=login)) as own:
        fill(registry)
        assert tags(own, registry) == ["v1"]
        (post,) = registry.asked("POST", "/token")
        assert post.headers["content-type"] == "application/x-www-form-urlencoded"
        assert registry.asked("GET", "/token") == []


def test_where_post_is_not_known_get_is_taken() -> None:
    """PITFALLS: identity tokens are exchanged by POST, else by GET."""
    quirks = replace(BEARER, token_post=False)
    login = Login("joe", Secret("geheim"), identity_token=Secret("idt"))
    with TestRegistry(quirks) as registry, web(plain(registry.host, login=login)) as own:
        fill(registry)
        assert tags(own, registry) == ["v1"]


def test_a_token_server_may_redirect() -> None:
    """PITFALLS: GitLab's token server redirects."""
    with TestRegistry(replace(GITLAB, users=USERS)) as registry, web(joe(registry)) as own:
        fill(registry)
        assert tags(own, registry) == ["v1"]


def test_a_token_server_in_trouble_is_tried_again_and_then_named() -> None:
    with TestRegistry(BEARER) as registry, web(joe(registry)) as own:
        fill(registry)
        registry.break_next(path="/token", times=3)
        assert tags(own, registry) == ["v1"]
    with TestRegistry(BEARER) as registry, web(joe(registry)) as own:
        registry.break_next(path="/token", times=99)
        with pytest.raises(ServerFault, match="/token"):
            tags(own, registry)


def accepting(wanted: str, scheme: str = "Bearer") -> Callable[[Asked], Said]:
    def answers(asked: Asked) -> Said:
        if asked.headers.get("authorization") == wanted:
            return Said(200, body=b"in")
        return Said(401, {"WWW-Authenticate": f'{scheme} error="x"'} if scheme else {})

    return answers


@pytest.mark.parametrize(
    "login", [Login(identity_token=Secret("t")), Login(registry_token=Secret("t"))]
)
@pytest.mark.parametrize("scheme", ["Bearer", ""])
def test_a_token_that_the_registry_takes_itself_is_sent_as_it_is(login: Login, scheme: str) -> None:
    with (
        scripted(accepting("Bearer t", scheme)) as server,
        web(plain(server.host, login=login)) as own,
    ):
        assert own.get(server.host, "/v2/a/x") == b"in"
        assert own.get(server.host, "/v2/a/x") == b"in"
        assert len(server.asked) == 3


def test_challenges_in_several_headers() -> None:
    """Several challenges in several headers (RFC 9110, section 11.6.1)."""

    def answers(asked: Asked) -> Said:
        if asked.headers.get("authorization", "").startswith("Basic "):
            return Said(200, body=b"in")
        return Said(401, {"WWW-Authenticate": ["Negotiate", 'Basic realm="x, Bearer"']})

    with (
        scripted(answers) as server,
        web(plain(server.host, login=Login("joe", Secret("geheim")))) as own,
    ):
        assert own.get(server.host, "/v2/") == b"in"
        user = base64.b64decode(server.asked[1].headers["authorization"].split()[1])
        assert user == b"joe:geheim"


def test_a_write_is_sent_again_after_a_login() -> None:
    with TestRegistry(BEARER) as registry, web(joe(registry)) as own:
        request = Request(
            "POST", "/v2/app/blobs/uploads/", frozenset({202}),
            scopes=(Scope("repository", "app", ("pull", "push")),), retry=False,
        )  # fmt: skip
        own.exchange.send(registry.host, request).close()
        assert len(registry.asked("POST", "/uploads")) == 2


def test_401_that_is_expected_comes_back() -> None:
    with (
        TestRegistry(BEARER) as registry,
        web(plain(registry.host)) as own,
        own.send(registry.host, "/v2/", expect=OK | {401}) as response,
    ):
        assert response.status == 401


def test_docker_auth_config_logs_in() -> None:
    """Config: ``$DOCKER_AUTH_CONFIG``."""
    with TestRegistry(auth="basic", users=USERS) as registry:
        fill(registry)
        auth = base64.b64encode(b"joe:geheim").decode()
        environ = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {registry.host: {"auth": auth}}})}
        with web(plain(registry.host), environ=environ) as own:
            assert tags(own, registry) == ["v1"]
            assert own.exchange.host(registry.host).login.user == "joe"
        settings = {"use_docker_config": False}
        with (
            web(plain(registry.host), environ=environ, client=settings) as own,
            pytest.raises(Unauthorized),
        ):
            tags(own, registry)


def test_a_delete_is_asked_for_in_the_words_of_the_challenge() -> None:
    """PITFALLS: Quay grants only push, pull and * and answers 400 to other scopes."""
    deletes = {"method": "DELETE", "expect": frozenset({202})}
    with TestRegistry(replace(QUAY, users=USERS)) as registry, web(joe(registry)) as own:
        fill(registry, "a", "b")
        for name in ("a", "b"):
            own.send(
                registry.host,
                f"/v2/{name}/manifests/v1",
                scopes=pull(name, "pull", "delete"),
                **deletes,
            ).close()
        assert len(registry.asked("DELETE")) == 3
        assert len(registry.asked(part="/v2/auth")) == 2
        assert not any("delete" in asked.path for asked in registry.asked(part="/v2/auth"))


def test_a_token_server_that_takes_the_scope_of_the_challenge_alone() -> None:
    """PITFALLS: 400 to other scopes: asked once more with what the challenge names."""

    def answers(asked: Asked) -> Said:
        if asked.path.startswith("/token"):
            alone = "scope=repository%3Aapp%3A%2A&" in asked.path and asked.path.count("scope") == 1
            return Said(body=b'{"token": "t"}') if alone else Said(400)
        if asked.headers.get("authorization") == "Bearer t":
            return Said(200, body=b"in")
        realm = f'Bearer realm="http://{asked.headers["host"]}/token",scope="repository:app:*"'
        return Said(401, {"WWW-Authenticate": realm})

    with scripted(answers) as server, web(plain(server.host)) as own:
        for _ in range(3):
            own.get(server.host, "/v2/app/tags/list", scopes=pull("app"))
            own.send(
                server.host, "/v2/app/manifests/v1", "DELETE", scopes=pull("app", "pull", "delete")
            ).close()
        assert len([line for line in server.lines if "/token" in line]) <= 6
