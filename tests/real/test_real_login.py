"""regbot registry login, logout and whoami with real registries; skopeo reads what they store."""

from __future__ import annotations

import json
import os
import pty
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.bots import leaks
from support.certificates import Authority
from support.clients import Client
from support.command import REGBOT, environment, regbot
from support.images import make_image, push
from support.servers import PASSWORD, USER, RealRegistry, docker_registry, skopeo
from support.tokens import token_registry

from regbot.http.hosts import Login, Secret

LOGIN = Login(USER, Secret(PASSWORD))
WRONG = "wrong+horse/4711="
KEEPS = """#!/bin/sh
echo "$*" >> "$0.called"
case "$1" in
  store) cat > "$0.kept" ;;
  erase) cat > "$0.erased"; rm "$0.kept" ;;
  get) cat "$0.kept" ;;
esac
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with docker_registry(tmp_path_factory.mktemp("registry"), htpasswd=True) as registry:
        with Client(registry.host, login=LOGIN) as client:
            push(client.store(), make_image(), "v1")
        yield registry


@pytest.fixture
def home(registry: RealRegistry, tmp_path: Path) -> Path:
    """A home in which the registry is reached without TLS."""
    done = regbot("registry", "set", "--tls", "disabled", registry.host, home=tmp_path)
    assert done.returncode == 0
    return tmp_path


def log_in(
    home: Path, host: str, password: str = PASSWORD, user: str = USER, **variables: str
) -> subprocess.CompletedProcess[str]:
    command = ("registry", "login", host, "-u", user, "--password-stdin", "-v", "trace")
    return regbot(*command, home=home, stdin=f"{password}\n", variables=variables)


def run(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return regbot("registry", *arguments, home=home, variables=variables)


def docker_file(home: Path) -> Path:
    return home / ".docker" / "config.json"


def tags_seen(home: Path, host: str, **variables: str) -> str:
    script = f"print(tag.ls('{host}/team/app')[1])"
    return regbot("run", "-e", script, home=home, variables=variables).stdout


def test_a_login_is_stored_as_docker_does(registry: RealRegistry, home: Path) -> None:
    host = registry.host
    assert tags_seen(home, host) == ""
    done = log_in(home, host)
    assert done.returncode == 0
    assert done.stdout == f"logged in to {host} as {USER}: {docker_file(home)}\n"
    assert not leaks(done, USER, PASSWORD)
    assert tags_seen(home, host) == "v1\n"
    seen = skopeo(
        *("inspect", "--tls-verify=false", "--authfile", str(docker_file(home))),
        f"docker://{host}/team/app:v1",
    )
    assert json.loads(seen.stdout)["RepoTags"] == ["v1"]


def test_what_skopeo_stored_is_known_and_can_be_forgotten(
    registry: RealRegistry, home: Path
) -> None:
    host, file = registry.host, docker_file(home)
    creds = ("--username", USER, "--password", PASSWORD)
    skopeo("login", "--tls-verify=false", "--authfile", str(file), *creds, host)
    who = run(home, "whoami", host)
    assert (who.stdout, who.stderr) == (f"{USER}\n", f"from {file}\n")
    assert json.loads(run(home, "whoami", "--json").stdout) == [
        {"registry": host, "user": USER, "from": str(file)}
    ]
    done = run(home, "logout", host)
    assert done.stdout == f"removed the login of {host} from {file}\n"
    who = run(home, "whoami", host)
    assert (who.returncode, who.stdout) == (1, "")
    assert f"regbot registry login {host}" in who.stderr
    again = run(home, "logout", host)
    assert (again.returncode, again.stdout) == (0, "")
    assert "no login of" in again.stderr


@pytest.mark.parametrize(("user", "password"), [(USER, WRONG), ("stranger", PASSWORD)])
def test_a_login_that_is_refused_is_not_stored(
    registry: RealRegistry, home: Path, user: str, password: str
) -> None:
    done = log_in(home, registry.host, password, user)
    assert (done.returncode, done.stdout) == (1, "")
    assert "401" in done.stderr
    assert done.stderr.endswith("is from what was typed (nothing was stored; try again)\n")
    assert not leaks(done, user, password)
    assert not docker_file(home).exists()


def test_a_wrong_password_leaves_the_old_login(registry: RealRegistry, home: Path) -> None:
    """It is not the old one that is checked, either."""
    log_in(home, registry.host)
    before = docker_file(home).read_text()
    assert log_in(home, registry.host, WRONG).returncode == 1
    assert docker_file(home).read_text() == before


def test_a_helper_keeps_it(registry: RealRegistry, home: Path) -> None:
    host, helper = registry.host, home / "programs" / "docker-credential-tests"
    helper.parent.mkdir()
    helper.write_text(KEEPS)
    helper.chmod(0o755)
    docker_file(home).parent.mkdir()
    docker_file(home).write_text(json.dumps({"credsStore": "tests"}))
    path = f"{helper.parent}:{os.environ['PATH']}"
    done = log_in(home, host, PATH=path)
    assert done.stdout.endswith("the credential helper docker-credential-tests\n")
    assert not leaks(done, USER, PASSWORD)
    assert PASSWORD not in docker_file(home).read_text()
    assert (helper.parent / f"{helper.name}.called").read_text() == "store\n"
    assert tags_seen(home, host, PATH=path) == "v1\n"
    who = run(home, "whoami", host, PATH=path)
    assert (who.stdout, who.stderr) == (f"{USER}\n", f"from the credential helper {helper.name}\n")
    assert run(home, "logout", host, PATH=path).returncode == 0
    assert (helper.parent / f"{helper.name}.erased").read_text() == host


def test_with_tls(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "authority")
    certificate, key = authority.sign("registry")
    more = {"http": {"tls": {"certificate": str(certificate), "key": str(key)}}}
    trusting = ssl.create_default_context(cadata=authority.certificate)
    folder = tmp_path / "registry"
    with docker_registry(folder, htpasswd=True, more=more, tls=trusting) as registry:
        refused = log_in(tmp_path, registry.host)
        assert refused.returncode == 1
        assert "its certificate is not trusted" in refused.stderr
        run(tmp_path, "set", registry.host, "--regcert", authority.certificate)
        assert log_in(tmp_path, registry.host).returncode == 0
        assert USER in run(tmp_path, "whoami").stdout


def test_without_tls_the_error_says_what_to_set(registry: RealRegistry, tmp_path: Path) -> None:
    done = log_in(tmp_path, registry.host)
    assert done.returncode == 1
    assert f"regbot registry set --tls disabled {registry.host}" in done.stderr


@pytest.mark.parametrize(
    ("user", "secret", "right"),
    [("joe", "open+sesame", True), ("joe", WRONG, False), ("<token>", "idt+1", True)],
)
def test_a_token_server(tmp_path: Path, user: str, secret: str, right: bool) -> None:
    identities = {"idt+1": "joe"}
    with token_registry(tmp_path, {"joe": "open+sesame"}, identities=identities) as (real, tokens):
        run(tmp_path, "set", "--tls", "disabled", real.host)
        done = log_in(tmp_path, real.host, secret, user)
        assert done.returncode == (0 if right else 1), done.stderr
        assert not leaks(done, user, secret, *tokens.issued)
        assert docker_file(tmp_path).exists() is right
        if right:
            with Client(real.host, login=Login("joe", Secret("open+sesame"))) as client:
                push(client.store(), make_image(), "v1")
            assert tags_seen(tmp_path, real.host) == "v1\n"


def test_a_registry_that_asks_for_no_login(tmp_path: Path) -> None:
    with docker_registry(tmp_path / "registry") as registry:
        run(tmp_path, "set", "--tls", "disabled", registry.host)
        done = log_in(tmp_path, registry.host)
        assert done.returncode == 0
        assert "so this one could not be checked" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin", "why"),
    [
        (("-u", USER), PASSWORD, "no terminal to ask"),
        (("--password-stdin",), PASSWORD, "needs the user"),
        (("-u", USER, "--password-stdin"), "", "no password"),
        (("-u", "a:b", "--password-stdin"), PASSWORD, "has no colon"),
    ],
)
def test_wrong_use(tmp_path: Path, arguments: tuple[str, ...], stdin: str, why: str) -> None:
    done = regbot("registry", "login", "r.example", *arguments, home=tmp_path, stdin=stdin)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr


@pytest.mark.parametrize(
    ("creds", "skip", "has_variable", "says"),
    [
        ({"user": "a", "pass": "b"}, False, False, "bot.yml:1 goes before"),
        ({}, True, False, "skipDockerConfig"),
        ({}, False, True, "$DOCKER_AUTH_CONFIG goes before"),
    ],
)
def test_a_login_that_goes_before_is_told(
    registry: RealRegistry,
    home: Path,
    creds: dict[str, Any],
    skip: bool,
    has_variable: bool,
    says: str,
) -> None:
    config = home / "bot.yml"
    entry = {"registry": registry.host, **creds}
    config.write_text(json.dumps({"creds": [entry], "defaults": {"skipDockerConfig": skip}}))
    logins = {"auths": {registry.host: {"username": "a", "password": "b"}}}
    variables = {"DOCKER_AUTH_CONFIG": json.dumps(logins)} if has_variable else {}
    command = ("-c", str(config), "registry", "login", registry.host)
    typed = ("-u", USER, "--password-stdin")
    done = regbot(*command, *typed, home=home, stdin=PASSWORD, variables=variables)
    assert done.returncode == 0, done.stderr
    assert says in done.stderr


def test_at_a_terminal_it_asks(registry: RealRegistry, home: Path) -> None:
    """The password is not shown while it is typed."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [REGBOT, "registry", "login", registry.host],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment(home, TERM="dumb"),
        start_new_session=True,
    )
    os.close(follower)
    seen = ""
    for prompt, text in (("user: ", USER), ("password: ", PASSWORD)):
        while prompt not in seen:
            seen += os.read(leader, 4096).decode()
        os.write(leader, f"{text}\n".encode())
    while chunk := _read(leader):
        seen += chunk
    os.close(leader)
    assert process.wait(60) == 0, seen
    assert f"logged in to {registry.host} as {USER}" in seen
    assert PASSWORD not in seen


def _read(leader: int) -> str:
    try:
        return os.read(leader, 4096).decode()
    except OSError:  # the other end is closed
        return ""
