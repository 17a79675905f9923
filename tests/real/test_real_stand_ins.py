"""Logins of clouds without the programs of their helpers, with servers that answer as clouds do.

The stand-ins are processes of their own, so what they ask is answered over HTTP: mocks within
a process, such as those of moto or of botocore's Stubber, would not reach them.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.bots import leaks, run_bot
from support.command import regbot
from support.registry import Quirks, TestRegistry
from support.scripted import Asked, Said, Scripted, scripted

from regbot.errors import CredentialError, Stopped
from regbot.http.helper import Helper
from regbot.http.hosts import Login
from regbot.stopping import Stop

ECR = "docker-credential-ecr-login"
GCR = "docker-credential-gcr"
ACCOUNT = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
SECRET = "s3same+geheim/4711="
AWS_TOKEN = base64.b64encode(f"AWS:{SECRET}".encode()).decode()
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "aws+geheim/1"}
NO_MACHINE = {"AWS_EC2_METADATA_DISABLED": "true", "NO_GCE_CHECK": "true"}
"""No metadata server is looked for."""


def aws(asked: Asked) -> Said:
    """ECR, private and public."""
    data: Any = {"authorizationToken": AWS_TOKEN, "expiresAt": 2e9}
    if ".SpencerFrontendService." not in f".{asked.headers['x-amz-target']}":
        data = [{**data, "proxyEndpoint": f"https://{ACCOUNT}"}]
    body = json.dumps({"authorizationData": data}).encode()
    return Said(200, {"Content-Type": "application/x-amz-json-1.1"}, body)


def google(asked: Asked) -> Said:
    """The metadata server of a machine with a service account."""
    answers = {
        "token": {"access_token": SECRET, "expires_in": 3599, "token_type": "Bearer"},
        "recursive=true": {"email": "robot@example.org", "scopes": [], "aliases": ["default"]},
    }
    for end, answer in answers.items():
        if end in asked.path:
            return _of_metadata(json.dumps(answer), "application/json")
    return _of_metadata("robots", "application/text")


def _of_metadata(body: str, kind: str) -> Said:
    return Said(200, {"Metadata-Flavor": "Google", "Content-Type": kind}, body.encode())


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing of this machine counts."""
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **NO_MACHINE}


@contextmanager
def amazon(variables: dict[str, str]) -> Iterator[Scripted]:
    with scripted(aws) as server:
        variables |= {**KEYS, "AWS_ENDPOINT_URL": f"http://{server.host}"}
        yield server


def ask(program: str, key: str, variables: dict[str, str]) -> Login | None:
    return Helper(program, variables, time.monotonic).ask(key, Stop())


@pytest.mark.parametrize(
    ("host", "region", "target"),
    [
        (ACCOUNT, "eu-west-1", "AmazonEC2ContainerRegistry"),
        (f"https://{ACCOUNT}/v2/", "eu-west-1", "AmazonEC2ContainerRegistry"),
        (ACCOUNT.replace("ecr.", "ecr-fips."), "eu-west-1", "AmazonEC2ContainerRegistry"),
        ("123456789012.dkr-ecr.us-east-2.on.aws", "us-east-2", "AmazonEC2ContainerRegistry"),
        ("public.ecr.aws", "us-east-1", "SpencerFrontendService"),
    ],
)
def test_ecr_gives_a_password_for_its_own_region(
    host: str, region: str, target: str, variables: dict[str, str]
) -> None:
    with amazon(variables) as server:
        login = ask(ECR, host, variables)
    assert login
    assert (login.user, login.password.reveal()) == ("AWS", SECRET)
    (asked,) = server.asked
    assert asked.headers["x-amz-target"].startswith(target)
    assert f"/{region}/ecr" in asked.headers["authorization"]


def test_gcr_gives_a_token_of_the_machine(variables: dict[str, str]) -> None:
    with scripted(google) as server:
        del variables["NO_GCE_CHECK"]
        variables |= {"GCE_METADATA_HOST": server.host, "GCE_METADATA_IP": server.host}
        for host in ("gcr.io", "eu.gcr.io", "europe-west1-docker.pkg.dev"):
            login = ask(GCR, host, variables)
            assert login
            assert (login.user, login.password.reveal()) == ("oauth2accesstoken", SECRET)


@pytest.mark.parametrize(
    ("program", "host"),
    [
        (ECR, "registry.example.org"),
        (ECR, f"{ACCOUNT}.example.org"),
        (ECR, "evil.example/123456789012.dkr.ecr.eu-west-1.amazonaws.com"),
        (ECR, f"{ACCOUNT}:8443"),
        (GCR, "gcr.io.example.org"),
        (GCR, "example-gcr.io"),
        (GCR, "pkg.dev"),
    ],
)
def test_no_other_host_gets_anything(program: str, host: str, variables: dict[str, str]) -> None:
    """Law: credentials go only to the host they are for."""
    with amazon(variables) as server:
        assert ask(program, host, variables) is None
    assert server.asked == []


@pytest.mark.parametrize(
    ("program", "host", "answers", "why"),
    [
        (ECR, ACCOUNT, None, "there are no credentials of AWS"),
        (ECR, ACCOUNT, 400, "AWS refused to give a password: ExpiredTokenException"),
        (GCR, "gcr.io", None, "there are no credentials of Google"),
    ],
)
def test_what_is_wrong_is_said(
    program: str, host: str, answers: int | None, why: str, variables: dict[str, str]
) -> None:
    body = json.dumps({"__type": "ExpiredTokenException", "message": SECRET}).encode()
    with scripted(lambda _: Said(answers or 200, {}, body)) as server:
        if answers:
            variables |= {**KEYS, "AWS_ENDPOINT_URL": f"http://{server.host}"}
        with pytest.raises(CredentialError) as caught:
            ask(program, host, variables)
    said = f"credential helper {program} failed for {host} (regbot stands in for it: {why}"
    assert str(caught.value).startswith(said)
    assert SECRET not in str(caught.value)


def test_it_stores_nothing(variables: dict[str, str]) -> None:
    helper = Helper(ECR, variables, time.monotonic)
    with pytest.raises(CredentialError, match="it stores no logins"):
        helper.store(ACCOUNT, Login("joe"), Stop())


def test_the_program_is_asked_where_there_is_one(variables: dict[str, str], tmp_path: Path) -> None:
    program = tmp_path / ECR
    program.write_text('#!/bin/sh\necho \'{"Username": "own", "Secret": "x"}\'\n')
    program.chmod(0o755)
    with amazon(variables) as server:
        login = ask(ECR, ACCOUNT, variables | {"PATH": f"{tmp_path}:{variables['PATH']}"})
    assert login
    assert login.user == "own"
    assert server.asked == []


@pytest.mark.parametrize(
    ("program", "package", "extra"), [(ECR, "botocore", "ecr"), (GCR, "google", "gcr")]
)
def test_without_the_program_and_the_package_both_ways_are_told(
    program: str,
    package: str,
    extra: str,
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CredentialError) as caught:
        ask(program, ACCOUNT, variables)
    assert str(caught.value) == (
        f"credential helper {program} is not installed: no such program in PATH"
        f" (install it, or what regbot needs to do without: pip install '.[{extra}]')"
    )


def test_a_stop_ends_it(variables: dict[str, str]) -> None:
    """Law: SIGTERM and Ctrl-C end any run, also while a cloud doesn't answer."""
    stop = Stop()

    def never(_: Asked) -> Said:
        stop.ask()
        time.sleep(0.2)
        return Said(500)

    with scripted(never) as server:
        variables |= {**KEYS, "AWS_ENDPOINT_URL": f"http://{server.host}"}
        with pytest.raises(Stopped):
            Helper(ECR, variables, time.monotonic).ask(ACCOUNT, stop)


def test_modules_in_the_current_folder_are_not_run(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("botocore.py", "regbot.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit('own')\n")
    monkeypatch.chdir(tmp_path)
    with amazon(variables):
        assert ask(ECR, ACCOUNT, variables)


@pytest.mark.parametrize("way", ["config", "registry set", "docker"])
def test_a_registry_is_read_with_it(way: str, variables: dict[str, str], tmp_path: Path) -> None:
    """Config: ``credHelper: docker-credential-ecr-login``, or docker's ``credHelpers``."""
    with (
        TestRegistry(Quirks(auth="basic", users={"AWS": SECRET})) as registry,
        amazon(variables),
    ):
        registry.put_image("team/app", "v1")
        creds = {"hostname": registry.host, "tls": "disabled"}
        helper = {"credHelper": ECR, "credHost": ACCOUNT}
        if way == "config":
            creds |= helper
        elif way == "registry set":
            options = ("--cred-helper", ECR, "--cred-host", ACCOUNT)
            assert regbot("registry", "set", ACCOUNT, *options, home=tmp_path).returncode == 0
        else:
            (tmp_path / ".docker").mkdir()
            text = json.dumps({"credHelpers": {ACCOUNT: "ecr-login"}})
            (tmp_path / ".docker" / "config.json").write_text(text)
        script = "log(tag.ls(args.host .. '/team/app')[1])"
        done = run_bot(tmp_path, script, ACCOUNT, creds=creds, variables=variables)
    assert done.returncode == 0, done.stderr
    assert "msg=v1" in done.stderr
    assert not leaks(done, "AWS", SECRET, KEYS["AWS_SECRET_ACCESS_KEY"])


def test_nothing_of_a_cloud_is_imported_by_the_bot() -> None:
    """The extras are imported only where they are asked for, and in a process of their own."""
    code = "import regbot.http.transport, regbot.http.helper, sys; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    modules = subprocess.run(command, capture_output=True, text=True).stdout.split()
    assert "regbot.http.standins" in modules
    assert not {"botocore", "google.auth"} & set(modules)
