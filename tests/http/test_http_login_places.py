"""A login that is refused: the error says where it was read, and what to do there."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.configs import load
from support.httpclient import pull, web
from support.logins import BEARER, USERS, fill, tags
from support.registry import Quirks, TestRegistry
from support.scripted import Asked, Said, scripted

from regbot.errors import CredentialError, Forbidden, RegbotError, Unauthorized
from regbot.http.hosts import HostSettings, Login, Secret

BASIC = Quirks(auth="basic", users=USERS)


def configured(host: str, *lines: str) -> HostSettings:
    """The settings of a config file whose entry for a registry has these lines."""
    text = f"creds:\n  - registry: {host}\n    tls: disabled\n"
    config = load(text + "".join(f"    {line}\n" for line in lines))
    return config.client.hosts[0]


def refused(
    registry: TestRegistry,
    settings: HostSettings,
    kind: type[RegbotError] = Unauthorized,
    environ: Mapping[str, str] | None = None,
    **client: Any,
) -> str:
    """The text of the error when the tags of ``app`` are read, with the registry's own name."""
    fill(registry)
    with web(settings, environ=environ, client=client) as own, pytest.raises(kind) as caught:
        tags(own, registry)
    assert "falsch" not in str(caught.value)
    return str(caught.value).replace(registry.host, "r.example")


@pytest.mark.parametrize("quirks", [BASIC, BEARER])
def test_a_wrong_password_names_the_line_of_the_config(quirks: Quirks) -> None:
    with TestRegistry(quirks) as registry:
        text = refused(registry, configured(registry.host, "user: joe", "pass: falsch"))
    assert text.endswith("the login of r.example is from bot.yml:5 (correct it there)")
    assert "401" in text


def test_a_refusal_that_is_remembered_names_the_line_too() -> None:
    with TestRegistry(BEARER) as registry:
        wrong = configured(registry.host, "user: joe", "pass: falsch")
        with web(wrong) as own:
            for _ in range(2):
                with pytest.raises(Unauthorized, match=r"is from bot\.yml:5"):
                    tags(own, registry)


def test_a_wrong_token_names_the_line_of_the_config() -> None:
    with TestRegistry(BEARER) as registry:
        text = refused(registry, configured(registry.host, "token: falsch"))
    assert text.endswith("the login of r.example is from bot.yml:4 (correct it there)")


def test_a_wrong_password_of_docker_names_its_file_and_docker_login(tmp_path: Path) -> None:
    with TestRegistry(BASIC) as registry:
        auth = base64.b64encode(b"joe:falsch").decode()
        path = tmp_path / ".docker" / "config.json"
        path.parent.mkdir()
        path.write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
        text = refused(registry, configured(registry.host), environ={"HOME": str(tmp_path)})
    assert text.endswith(
        f"the login of r.example is from {path} (run: regbot registry login r.example)"
    )


def test_a_wrong_password_of_the_variable_names_the_variable() -> None:
    with TestRegistry(BASIC) as registry:
        entry = {"username": "joe", "password": "falsch"}
        environ = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {registry.host: entry}})}
        text = refused(registry, configured(registry.host), environ=environ)
    assert text.endswith("the login of r.example is from $DOCKER_AUTH_CONFIG (correct it there)")


def test_a_user_and_a_password_of_two_places_name_both() -> None:
    with TestRegistry(BASIC) as registry:
        entry = {"username": "joe", "password": "anders"}
        environ = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {registry.host: entry}})}
        text = refused(registry, configured(registry.host, "pass: falsch"), environ=environ)
    assert "the login of r.example is from bot.yml:4 and $DOCKER_AUTH_CONFIG (" in text


def test_a_wrong_password_of_a_helper_names_the_program(tmp_path: Path) -> None:
    helper(tmp_path, 'echo \'{"Username": "joe", "Secret": "falsch"}\'')
    with TestRegistry(BASIC) as registry:
        settings = configured(registry.host, "credHelper: docker-credential-test")
        text = refused(registry, settings, environ={"PATH": f"{tmp_path}:/bin:/usr/bin"})
    assert "the login of r.example is from the credential helper docker-credential-test (" in text


def test_a_helper_that_fails_says_who_names_it(tmp_path: Path) -> None:
    helper(tmp_path, "exit 3")
    with TestRegistry(BASIC) as registry:
        settings = configured(registry.host, "credHelper: docker-credential-test")
        environ = {"PATH": f"{tmp_path}:/bin:/usr/bin"}
        text = refused(registry, settings, CredentialError, environ)
    assert text.startswith("r.example: credential helper docker-credential-test failed")
    assert "it is named by bot.yml:4 (try it: echo r.example | docker-credential-test get)" in text


def helper(folder: Path, script: str) -> None:
    path = folder / "docker-credential-test"
    path.write_text(f"#!/bin/sh\ncat > /dev/null\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("quirks", [BASIC, BEARER])
def test_without_a_login_the_error_says_how_to_add_one(quirks: Quirks) -> None:
    with TestRegistry(quirks) as registry:
        text = refused(registry, configured(registry.host))
        assert "no login is known for r.example" in text
        assert (
            "(add creds for r.example to the config, or run: regbot registry login r.example)"
            in text
        )


def test_docker_login_is_not_advised_where_its_files_do_not_count() -> None:
    with TestRegistry(BASIC) as registry:
        text = refused(registry, configured(registry.host), use_docker_config=False)
    assert text.endswith("no login is known for r.example (add creds for r.example to the config)")


@pytest.mark.parametrize(
    ("method", "actions", "words"),
    [
        ("DELETE", ("pull", "delete"), "delete in app (scope repository:app:pull,delete)"),
        ("PUT", ("pull", "push"), "write to app (scope repository:app:pull,push)"),
        ("GET", ("pull",), "read app (scope repository:app:pull)"),
    ],
)
def test_what_a_login_may_not_do_is_said_in_words(
    method: str, actions: tuple[str, ...], words: str
) -> None:
    with scripted(lambda _: Said(403, body=b'{"errors": [{"code": "DENIED"}]}')) as server:
        settings = configured(server.host, "user: joe", "pass: geheim")
        with web(settings) as own, pytest.raises(Forbidden) as caught:
            own.send(server.host, "/v2/app/manifests/v1", method, scopes=pull("app", *actions))
    text = str(caught.value).replace(server.host, "r.example")
    lacks = f"the login of r.example is from bot.yml:5, and may lack the permission to {words}"
    assert text.endswith(f"403 Forbidden: DENIED; {lacks}")


def test_a_good_token_that_is_not_enough_is_about_the_permission() -> None:
    """Distribution answers 401 to a token that lacks an action."""

    def answers(request: Asked) -> Said:
        if request.path.startswith("/token"):
            return Said(body=b'{"token": "t"}')
        challenge = f'Bearer realm="http://{request.headers["host"]}/token",service="s"'
        return Said(401, {"WWW-Authenticate": challenge})

    with scripted(answers) as server:
        settings = configured(server.host, "user: joe", "pass: geheim")
        with web(settings) as own, pytest.raises(Unauthorized) as caught:
            own.get(server.host, "/v2/app/tags/list", scopes=pull("app"))
    assert "is from bot.yml:5, and may lack the permission to read app" in str(caught.value)


def test_a_login_of_python_has_no_file() -> None:
    with TestRegistry(BASIC) as registry:
        login = Login("joe", Secret("falsch"))
        text = refused(registry, replace(configured(registry.host), login=login))
    assert "is from the program that uses regbot (correct it there)" in text
