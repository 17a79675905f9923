"""A real docker-registry (distribution 2.8) whose signed tokens come from a server of our own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.bots import LIFE, failure, leaks, lived, run_bot
from support.clients import Client
from support.httpclient import plain, pull, web
from support.images import make_image, push
from support.servers import RealRegistry, docker_registry, free_port, skopeo
from support.tokens import TokenServer, token_registry, token_server

from regbot.errors import Forbidden, RegbotError, Unauthorized
from regbot.http.hosts import Login, Secret

USER, PASSWORD = "joe", "open+sesame/4711="
IDENTITY = "idt/0815+sesame="
LOGIN = {"login": Login(USER, Secret(PASSWORD))}
CREDS = {"tls": "disabled", "user": USER, "pass": PASSWORD}
THREE_TIMES = """
for _, repository in ipairs({"team/app", "team/app", "team/other"}) do
  local ok, why = pcall(tag.ls, args.host .. "/" .. repository)
  assert(not ok)
  log.error(why)
end
"""

Both = tuple[RealRegistry, TokenServer]


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    with token_registry(tmp_path, {USER: PASSWORD}, identities={IDENTITY: USER}) as both:
        yield both


def docker_config(folder: Path, host: str, entry: dict[str, str]) -> dict[str, str]:
    """Variables that point at a docker config with one login."""
    (folder / "config.json").write_text(json.dumps({"auths": {host: entry}}))
    return {"DOCKER_CONFIG": str(folder)}


def test_push_pull_list_and_delete(both: Both, tmp_path: Path) -> None:
    """FAQ: one token per registry by default, asked for with the scopes a request needs."""
    registry, tokens = both
    done = run_bot(tmp_path, LIFE, registry.host, creds=CREDS)
    lived(done)
    assert not leaks(done, USER, PASSWORD, *tokens.issued)
    assert any("repository:team/app:pull,push" in x for scopes in tokens.scopes for x in scopes)
    assert any("registry:catalog:*" in scopes for scopes in tokens.scopes)
    assert len(tokens.asked) <= 4
    creds = ("--tls-verify=false", "--creds", f"{USER}:{PASSWORD}")
    seen = skopeo("inspect", *creds, f"docker://{registry.host}/team/app:v1").stdout
    assert json.loads(seen)["RepoTags"] == ["v1"]


def test_an_anonymous_token_is_not_enough_here(both: Both) -> None:
    """PITFALLS: stop at once when credentials are refused."""
    registry, tokens = both
    with Client(registry.host) as client:
        for _ in range(3):
            with pytest.raises(Unauthorized, match="refused an anonymous token"):
                client.store().tags()
    assert len(tokens.asked) == 1


def test_a_refused_login_is_asked_for_once(both: Both, tmp_path: Path) -> None:
    """PITFALLS: no retry storm: one question, whatever the script tries afterwards."""
    registry, tokens = both
    wrong = "wrong+horse/4711="
    done = run_bot(tmp_path, THREE_TIMES, registry.host, creds={**CREDS, "pass": wrong})
    assert done.returncode == 0, done.stderr
    assert len(tokens.asked) == 1
    said = [line for line in done.stderr.splitlines() if "level=ERROR" in line]
    assert len(said) == 3
    assert all("refused the login (401): incorrect username or password" in x for x in said)
    assert not leaks(done, USER, wrong)


def test_a_token_that_does_not_allow_it_is_one_clear_error(tmp_path: Path) -> None:
    """PITFALLS: a token may grant less than was asked for; what is there stays."""
    reader = {"actions": ("pull",)}
    with token_registry(tmp_path, {USER: PASSWORD}, **reader) as (registry, tokens):
        with Client(registry.host, **LOGIN) as client, pytest.raises((Unauthorized, Forbidden)):
            push(client.store(), make_image(), "v1")
        first = len(tokens.asked)
        done = run_bot(tmp_path, LIFE, registry.host, creds=CREDS)
        assert "UNAUTHORIZED" in failure(done) or "DENIED" in failure(done)
        assert not leaks(done, USER, PASSWORD, *tokens.issued)
        # Four workers begin a copy at once, and each may be refused once.
        assert len(tokens.asked) - first <= 8


def test_a_token_is_renewed_before_its_end(both: Both) -> None:
    """PITFALLS: renew before it ends."""
    registry, tokens = both
    now = [0.0]
    login = plain(registry.host, **LOGIN)
    with web(login, clock=lambda: now[0]) as own:
        for seconds, asked in ((0.0, 1), (260.0, 1), (275.0, 2), (300.0, 2)):
            now[0] = seconds
            own.send(
                registry.host, "/v2/app/tags/list", expect=frozenset({404}), scopes=pull("app")
            ).close()
            assert len(tokens.asked) == asked


def test_a_token_that_ends_early_is_replaced(tmp_path: Path) -> None:
    """PITFALLS: a registry may stop to take a token: here its server has got a new key."""
    port = free_port()
    with (
        token_server(tmp_path / "tokens", {USER: PASSWORD}) as tokens,
        Client(f"127.0.0.1:{port}", **LOGIN) as client,
    ):
        for number in (1, 2):
            more = {"auth": tokens.settings()}
            with docker_registry(tmp_path / "registry", port=port, more=more):
                push(client.store(), make_image(labels={"n": str(number)}), f"v{number}")
                assert client.store().tags()[-1] == f"v{number}"
            tokens.new_key()
        assert len({token.split(".")[0] for token in tokens.issued}) == 2


def test_a_server_that_takes_one_scope_only_needs_repo_auth(tmp_path: Path) -> None:
    """FAQ: some registries throw an error when the number of scopes grows: ``repoAuth``."""
    picky: dict[str, Any] = {"most_scopes": 1}
    with token_registry(tmp_path, {USER: PASSWORD}, **picky) as (registry, tokens):
        script = """
            for _, n in ipairs({"a", "b", "a", "b"}) do
              image.copy(args.layout .. ":v1", args.host .. "/team/" .. n .. ":v1")
            end
            assert(#tag.ls(args.host .. "/team/a") + #tag.ls(args.host .. "/team/b") == 2)
        """
        done = run_bot(tmp_path, script, registry.host, creds={**CREDS, "repoAuth": True})
        assert done.returncode == 0, done.stderr
        assert {len(scopes) for scopes in tokens.scopes} == {1}
        assert len(tokens.asked) <= 4


def test_an_identity_token_of_docker_is_exchanged(both: Both, tmp_path: Path) -> None:
    """PITFALLS: identity tokens are exchanged by POST."""
    registry, tokens = both
    variables = docker_config(tmp_path, registry.host, {"identitytoken": IDENTITY})
    done = run_bot(tmp_path, LIFE, registry.host, creds={"tls": "disabled"}, variables=variables)
    lived(done)
    assert {asked.method for asked in tokens.asked} == {"POST"}
    assert not leaks(done, USER, IDENTITY, *tokens.issued)


@pytest.mark.parametrize("status", [404, 405, 400])
def test_where_post_is_not_known_get_is_taken(tmp_path: Path, status: int) -> None:
    """FAQ: docker's config is imported; a token server without POST is asked by GET."""
    more = {"identities": {IDENTITY: USER}, "post": status}
    with token_registry(tmp_path, {}, **more) as (registry, tokens):
        with Client(registry.host, login=Login(identity_token=Secret(IDENTITY))) as client:
            push(client.store(), make_image(), "v1")
            assert client.store().tags() == ["v1"]
        assert [asked.method for asked in tokens.asked][:2] == ["POST", "GET"]


def test_a_wrong_identity_token_is_refused_once_and_not_shown(both: Both, tmp_path: Path) -> None:
    """PITFALLS: stop at once when credentials are refused."""
    registry, tokens = both
    wrong = "idt/wrong+horse="
    variables = docker_config(tmp_path, registry.host, {"identitytoken": wrong})
    done = run_bot(
        tmp_path, THREE_TIMES, registry.host, creds={"tls": "disabled"}, variables=variables
    )
    assert done.returncode == 0, done.stderr
    assert len(tokens.asked) <= 2
    assert not leaks(done, USER, wrong)


def test_the_config_beats_docker_and_says_so(both: Both, tmp_path: Path) -> None:
    """Config: YAML wins over docker's login field by field, with a log line."""
    registry, _ = both
    variables = docker_config(tmp_path, registry.host, {"username": "ann", "password": "stale-pw"})
    done = run_bot(tmp_path, LIFE, registry.host, creds=CREDS, variables=variables)
    lived(done)
    assert "the config replaces docker's login" in done.stderr
    assert not leaks(done, "ann", "stale-pw", PASSWORD)


def test_a_token_server_that_is_gone_is_named(tmp_path: Path) -> None:
    """PITFALLS: a token server that fails is one clear error that names it."""
    with token_server(tmp_path / "tokens", {USER: PASSWORD}) as tokens:
        settings = tokens.settings()
    assert tokens.script
    with (
        docker_registry(tmp_path / "registry", more={"auth": settings}) as registry,
        Client(registry.host, **LOGIN) as client,
        pytest.raises(RegbotError, match=f"{tokens.script.host}/token: connection refused"),
    ):
        client.store().tags()
