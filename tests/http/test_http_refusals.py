"""Logins that are refused or make no sense: once, clearly, and without a secret."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
from support.httpclient import plain, pull, web
from support.logins import BEARER, USERS, fill, joe, tags
from support.registry import TestRegistry
from support.scripted import Asked, Said, scripted

from regbot.errors import CredentialError, Unauthorized
from regbot.http.hosts import Login, Secret


def accepting(wanted: str, scheme: str = "Bearer") -> Callable[[Asked], Said]:
    def answers(asked: Asked) -> Said:
        if asked.headers.get("authorization") == wanted:
            return Said(200, body=b"in")
        return Said(401, {"WWW-Authenticate": f'{scheme} error="x"'} if scheme else {})

    return answers


def test_a_refused_password_is_not_tried_again_and_again() -> None:
    """PITFALLS: stop at once when credentials are refused: no retry storm."""
    with TestRegistry(auth="basic", users=USERS) as registry:
        wrong = plain(registry.host, login=Login("joe", Secret("falsch")))
        with web(wrong) as own:
            for _ in range(20):
                with pytest.raises(Unauthorized) as caught:
                    tags(own, registry)
                assert "falsch" not in str(caught.value)
            assert len(registry.requests) <= 3


def test_a_refused_password_is_tried_again_after_a_while() -> None:
    now = [0.0]
    with TestRegistry(auth="basic", users=USERS) as registry:
        wrong = plain(registry.host, login=Login("joe", Secret("falsch")))
        with web(wrong, clock=lambda: now[0]) as own:
            for _ in range(3):
                with pytest.raises(Unauthorized):
                    tags(own, registry)
            before = len(registry.requests)
            now[0] += 301
            with pytest.raises(Unauthorized):
                tags(own, registry)
            assert len(registry.requests) > before


def test_without_credentials_the_error_says_what_is_missing() -> None:
    with (
        TestRegistry(auth="basic", users=USERS) as registry,
        web(plain(registry.host)) as own,
        pytest.raises(Unauthorized, match="asks for a user and password, and none are set"),
    ):
        tags(own, registry)


def test_a_wrong_identity_token_is_refused_once() -> None:
    """PITFALLS: stop at once when credentials are refused: no retry storm."""
    with (
        TestRegistry(BEARER) as registry,
        web(plain(registry.host, login=Login(identity_token=Secret("idt")))) as own,
    ):
        for _ in range(10):
            with pytest.raises(Unauthorized, match=r"refused|UNAUTHORIZED"):
                tags(own, registry)
        assert len(registry.asked("POST", "/token")) == 1


def test_refused_tokens_are_not_asked_for_again_and_again() -> None:
    """PITFALLS: stop at once when credentials are refused: no retry storm."""
    with TestRegistry(BEARER) as registry:
        with web(plain(registry.host, login=Login("joe", Secret("falsch")))) as own:
            for name in ("a", "b", "c") * 5:
                with pytest.raises(Unauthorized, match="refused the login") as caught:
                    tags(own, registry, name)
                assert "falsch" not in str(caught.value)
        assert len(registry.asked(part="/token")) == 1


def test_a_refusal_for_one_repository_leaves_the_others_alone() -> None:
    """PITFALLS: some registries give one challenge per repository."""

    def answers(asked: Asked) -> Said:
        if asked.path.startswith("/token"):
            return Said(body=json.dumps({"token": "b" if "own" in asked.path else "a"}).encode())
        good = "own" in asked.path and asked.headers.get("authorization", "") == "Bearer b"
        challenge = f'Bearer realm="http://{asked.headers["host"]}/token"'
        return Said(200) if good else Said(401, {"WWW-Authenticate": challenge})

    with scripted(answers) as server, web(plain(server.host)) as own:
        for _ in range(5):
            with pytest.raises(Unauthorized):
                own.get(server.host, "/v2/other/x", scopes=pull("other"))
            own.get(server.host, "/v2/own/x", scopes=pull("own"))
        assert len([x for x in server.lines if "other/x" in x]) == 2


def challenge(realm: str) -> Callable[[Asked], Said]:
    return lambda _: Said(401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="s"'})


@pytest.mark.parametrize(
    ("realm", "why"),
    [
        ("ftp://h/token", "not an http or https URL"),
        ("/token", "not an http or https URL"),
        ("https:///token", "not an http or https URL"),
        ("https://[x/token", "can't be read"),
        ("https://h:99999/token", "can't be read"),
        ("https://u:p@h/token", "user in its URL"),
        ("file:///etc/passwd", "not an http or https URL"),
    ],
)
def test_a_realm_that_makes_no_sense_is_an_error(realm: str, why: str) -> None:
    """Law: a token realm is distrusted (scheme checked)."""
    with (
        scripted(challenge(realm)) as server,
        web(plain(server.host, login=Login("joe", Secret("geheim")))) as own,
        pytest.raises(CredentialError, match=why),
    ):
        own.get(server.host, "/v2/a/x", scopes=pull("a"))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"<html>", b'{"token": 5}', b'{"token": ""}', b'{"token": "a\\nb"}',
     b'{"token": "\\u00e4"}', b"[" * 100_000, b'{"x": "' + b"x" * 2_000_000 + b'"}'],
)  # fmt: skip
def test_a_token_server_with_odd_json_is_one_clear_error(body: bytes) -> None:
    """A token server that answers with odd JSON is one clear error."""

    def answers(asked: Asked) -> Said:
        if asked.path.startswith("/token"):
            return Said(body=body)
        return challenge(f"http://{asked.headers['host']}/token")(asked)

    with (
        scripted(answers) as server,
        web(plain(server.host)) as own,
        pytest.raises(CredentialError, match=r"the token server http://.*/token answered"),
    ):
        own.get(server.host, "/v2/a/x", scopes=pull("a"))


def test_a_refused_registry_token_is_not_tried_again_and_again() -> None:
    """PITFALLS: stop at once when credentials are refused."""
    with (
        scripted(accepting("Bearer other")) as server,
        web(plain(server.host, login=Login(registry_token=Secret("geheim")))) as own,
    ):
        for _ in range(10):
            with pytest.raises(Unauthorized) as caught:
                own.get(server.host, "/v2/a/x")
            assert "geheim" not in str(caught.value)
        assert len(server.asked) <= 3


def test_an_unknown_scheme_is_named() -> None:
    with (
        scripted(accepting("x", "Negotiate")) as server,
        web(plain(server.host)) as own,
        pytest.raises(Unauthorized, match="asks for negotiate authentication"),
    ):
        own.get(server.host, "/v2/")


def test_a_server_that_repeats_secrets_does_not_get_them_into_errors() -> None:
    """Law: a secret appears in no error."""

    def answers(asked: Asked) -> Said:
        sent = asked.headers.get("authorization", "")
        text = base64.b64decode(sent.split()[1]).decode() if sent else ""
        body = json.dumps({"errors": [{"code": "DENIED", "message": f"{sent} {text}"}]})
        status = 403 if sent else 401
        return Said(status, {"WWW-Authenticate": 'Basic realm="x"'}, body.encode())

    with (
        scripted(answers) as server,
        web(plain(server.host, login=Login("joe", Secret("geheim")))) as own,
    ):
        with pytest.raises(Exception, match="DENIED") as caught:
            own.get(server.host, "/v2/")
        encoded = base64.b64encode(b"joe:geheim").decode()
        assert "geheim" not in str(caught.value)
        assert encoded not in str(caught.value)


def test_no_event_shows_a_secret() -> None:
    """Law: a secret appears in no log, whatever the level."""
    with TestRegistry(BEARER) as registry, web(joe(registry)) as own:
        fill(registry)
        tags(own, registry)
        shown = repr(own.events)
        assert len(own.events) >= 3
        assert "geheim" not in shown
        assert not any(token in shown for token in registry.door.tokens)
