"""Credential helpers as real programs on PATH, found through docker's config."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.bots import LIFE, failure, leaks, lived, run_bot
from support.servers import PASSWORD, USER, RealRegistry, docker_registry
from support.tokens import token_registry

NAME = "docker-credential-tests"
SECRET = "s3same+geheim/4711="
LIST = 'tag.ls(args.host .. "/team/app")'
PLAIN = {"tls": "disabled"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with docker_registry(tmp_path_factory.mktemp("registry"), htpasswd=True) as registry:
        yield registry


def credentials(user: str, secret: str) -> str:
    """Lines of a helper that knows a login."""
    text = json.dumps({"ServerURL": "any", "Username": user, "Secret": secret})
    return f'echo asked >> "$0.asked"; read -r host; echo "$host" >> "$0.hosts"\necho \'{text}\''


def install(folder: Path, script: str, docker: dict[str, Any] | None = None) -> dict[str, str]:
    """Put a helper into a folder of programs, and docker's config into HOME."""
    programs = folder / "programs"
    programs.mkdir()
    path = programs / NAME
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    if docker:
        (folder / ".docker").mkdir()
        (folder / ".docker" / "config.json").write_text(json.dumps(docker))
    return {"PATH": f"{programs}:{os.environ['PATH']}"}


def asked(folder: Path, what: str = "asked") -> list[str]:
    return (folder / "programs" / f"{NAME}.{what}").read_text().split()


def test_cred_helpers_of_docker(registry: RealRegistry, tmp_path: Path) -> None:
    """FAQ: the docker configuration removes the docker-credential- prefix from the name."""
    docker = {"credHelpers": {registry.host: "tests"}, "auths": {registry.host: {}}}
    variables = install(tmp_path, credentials(USER, PASSWORD), docker)
    done = run_bot(tmp_path, LIFE, registry.host, creds=PLAIN, variables=variables)
    lived(done)
    assert not leaks(done, USER, PASSWORD)
    assert asked(tmp_path) == ["asked"]
    assert asked(tmp_path, "hosts") == [registry.host]


def test_the_store_of_docker(registry: RealRegistry, tmp_path: Path) -> None:
    """Docker config: ``credsStore`` is asked for every host."""
    variables = install(tmp_path, credentials(USER, PASSWORD), {"credsStore": "tests"})
    lived(run_bot(tmp_path, LIFE, registry.host, creds=PLAIN, variables=variables))


def test_cred_helper_of_the_config(registry: RealRegistry, tmp_path: Path) -> None:
    """FAQ: ``credHelper: docker-credential-custom-helper``; ``credHost`` is what it is asked."""
    variables = install(tmp_path, credentials(USER, PASSWORD))
    creds = {**PLAIN, "credHelper": NAME, "credHost": "https://elsewhere.example"}
    lived(run_bot(tmp_path, LIFE, registry.host, creds=creds, variables=variables))
    assert asked(tmp_path, "hosts") == ["https://elsewhere.example"]


def test_a_helper_may_give_an_identity_token(tmp_path: Path) -> None:
    """Config: the user name ``<token>`` means an identity token."""
    with token_registry(tmp_path / "both", {}, identities={SECRET: "joe"}) as (registry, tokens):
        docker = {"credHelpers": {registry.host: "tests"}}
        variables = install(tmp_path, credentials("<token>", SECRET), docker)
        done = run_bot(tmp_path, LIFE, registry.host, creds=PLAIN, variables=variables)
        lived(done)
        assert {question.method for question in tokens.asked} == {"POST"}
        assert not leaks(done, "<token>", SECRET, *tokens.issued)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (f"echo '{SECRET}'; echo '{SECRET}' >&2; exit 3", r"failed for {host} (exit status 3)"),
        (f"echo 'rubbish {SECRET}'", "printed no credentials for {host}"),
        (f'echo \'{{"Username": "joe", "Secret": ["{SECRET}"]}}\'', "printed no credentials"),
        (f'echo \'{{"Username": "joe", "Secret": "{SECRET}\'', "printed no credentials"),
        ("exit 0", "printed no credentials"),
        (f"echo '{SECRET}'; kill -9 $$", "exit status -9"),
        (f"yes '{SECRET}'", "printed too much output"),
        ("echo 'credentials not found in native keychain'; exit 1", "has no credentials for"),
    ],
    ids=["fails", "rubbish", "list", "half", "nothing", "killed", "endless", "unknown"],
)
def test_a_helper_that_does_not_work_is_named(
    registry: RealRegistry, tmp_path: Path, script: str, why: str
) -> None:
    """A helper that fails or prints rubbish: one clear error, never its output's secret."""
    variables = install(tmp_path, script, {"credHelpers": {registry.host: "tests"}})
    done = run_bot(tmp_path, LIST, registry.host, creds=PLAIN, variables=variables)
    said = failure(done)
    assert f"credential helper {NAME} " in said
    assert why.format(host=registry.host) in said
    assert not leaks(done, "joe", SECRET)


def test_a_helper_that_is_not_there_is_named(registry: RealRegistry, tmp_path: Path) -> None:
    """FAQ: for other helpers, standalone binaries are needed: the error says so."""
    creds = {**PLAIN, "credHelper": "docker-credential-that-nobody-has"}
    said = failure(run_bot(tmp_path, LIST, registry.host, creds=creds))
    assert "credential helper docker-credential-that-nobody-has is not installed" in said


def test_a_helper_that_hangs_ends_with_the_script(registry: RealRegistry, tmp_path: Path) -> None:
    """A helper that hangs holds nobody beyond the timeout, and is ended with its children."""
    script = f"echo '{SECRET}'; echo $$ > \"$0.pid\"; sleep 3600 & wait"
    variables = install(tmp_path, script, {"credHelpers": {registry.host: "tests"}})
    done = run_bot(tmp_path, LIST, registry.host, creds=PLAIN, variables=variables, timeout="4s")
    group = int(asked(tmp_path, "pid")[0])
    try:
        assert "ran longer than its timeout of 4s" in failure(done)
        assert not leaks(done, "joe", SECRET)
        assert _ended(group)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def test_a_wrong_password_is_not_asked_for_again_and_again(
    registry: RealRegistry, tmp_path: Path
) -> None:
    """PITFALLS: stop at once when credentials are refused."""
    docker = {"credHelpers": {registry.host: "tests"}}
    variables = install(tmp_path, credentials(USER, SECRET), docker)
    script = f"for _ = 1, 5 do pcall(tag.ls, args.host .. '/team/app') end {LIST}"
    done = run_bot(tmp_path, script, registry.host, creds=PLAIN, variables=variables)
    assert "401" in failure(done)
    assert done.stderr.count("status=401") == 2
    assert asked(tmp_path) == ["asked"]
    assert not leaks(done, USER, SECRET)


def _ended(group: int) -> bool:
    """Whether nothing of a process group runs any more, within some seconds."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False
