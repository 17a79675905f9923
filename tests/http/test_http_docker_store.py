"""Logins that are stored and erased where docker keeps them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from regbot.errors import CredentialError, StorageError
from regbot.events import ignore
from regbot.http.docker_config import load
from regbot.http.docker_store import DockerStore
from regbot.http.hosts import HostSettings, Login, Secret
from regbot.stopping import Stop

NAME = "r.example:5000"
JOE = Login("joe", Secret('p:w "ä'))
HELPER = "docker-credential-test"
KEEPS = """
what="$1"; file="{folder}/kept"; echo "$*" >> "{folder}/called"
case "$what" in
  store) cat > "$file" ;;
  erase) cat > "{folder}/erased"
    if [ ! -e "$file" ]; then echo "credentials not found in native keychain"; exit 1; fi
    rm "$file" ;;
  get) cat "$file" ;;
esac
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "docker" / "config.json"


@pytest.fixture
def environ(tmp_path: Path, config: Path) -> dict[str, str]:
    return {"DOCKER_CONFIG": str(config.parent), "PATH": f"{tmp_path}:{os.environ['PATH']}"}


@pytest.fixture
def helper(tmp_path: Path) -> Path:
    """A helper that keeps one login in a file."""
    path = tmp_path / HELPER
    path.write_text(f"#!/bin/sh{KEEPS.replace('{folder}', str(tmp_path))}")
    path.chmod(0o755)
    return path


def write(config: Path, content: Any) -> None:
    config.parent.mkdir(exist_ok=True)
    config.write_text(content if isinstance(content, str) else json.dumps(content))


def store(environ: dict[str, str], name: str = NAME, **settings: Any) -> DockerStore:
    return DockerStore(HostSettings(name, **settings), environ, time.monotonic)


def login(environ: dict[str, str], name: str = NAME) -> Login:
    return load(environ, ignore).login(name)


def test_a_login_is_kept_in_a_new_file_for_this_user_alone(
    config: Path, environ: dict[str, str]
) -> None:
    place = store(environ)
    place.store(JOE, Stop())
    assert login(environ) == JOE
    assert place.place == str(config)
    assert config.stat().st_mode & 0o777 == 0o600
    assert config.parent.stat().st_mode & 0o777 == 0o700


def test_the_home_folder(tmp_path: Path) -> None:
    store({"HOME": str(tmp_path)}).store(JOE, Stop())
    assert login({"HOME": str(tmp_path)}) == JOE
    with pytest.raises(StorageError, match=r"set \$DOCKER_CONFIG or \$HOME"):
        store({})


def test_an_identity_token(environ: dict[str, str]) -> None:
    token = Login(identity_token=Secret("idt"))
    store(environ).store(token, Stop())
    assert login(environ) == token


def test_all_else_in_the_file_stays(config: Path, environ: dict[str, str]) -> None:
    before = {
        "HttpHeaders": {"X": "<é>"},
        "auths": {"other.example": {"auth": "b3RoZXI6b3RoZXI=", "email": "a@b"}},
        "detachKeys": "ctrl-e,e",
        "half": "\ud83d",
        "number": 12345678901234567890,
    }
    write(config, before)
    config.chmod(0o644)
    store(environ).store(JOE, Stop())
    after = json.loads(config.read_text())
    assert list(after) == list(before)
    assert after.pop("auths").pop("other.example") == before["auths"]["other.example"]
    assert after == {key: value for key, value in before.items() if key != "auths"}
    assert config.stat().st_mode & 0o777 == 0o600
    assert store(environ).erase(Stop())
    assert json.loads(config.read_text()) == before


@pytest.mark.parametrize("key", [f"http://{NAME}", f"https://{NAME}/v1/", NAME])
def test_a_key_that_is_there_is_kept(key: str, config: Path, environ: dict[str, str]) -> None:
    """One with http:// says that docker speaks no TLS there."""
    write(config, {"auths": {key: {"auth": "b2xkOm9sZA=="}}})
    before = load(environ, ignore).plain
    store(environ).store(JOE, Stop())
    assert list(json.loads(config.read_text())["auths"]) == [key]
    assert (login(environ), load(environ, ignore).plain) == (JOE, before)
    assert store(environ).erase(Stop())
    assert json.loads(config.read_text()) == {"auths": {}}


def test_docker_hub_has_the_key_that_docker_gives_it(config: Path, environ: dict[str, str]) -> None:
    store(environ, "docker.io").store(JOE, Stop())
    assert list(json.loads(config.read_text())["auths"]) == ["https://index.docker.io/v1/"]
    assert login(environ, "docker.io") == JOE


def test_a_link_stays_a_link(config: Path, environ: dict[str, str], tmp_path: Path) -> None:
    config.parent.mkdir()
    write(tmp_path / "dotfiles.json", {"auths": {}})
    config.symlink_to(tmp_path / "dotfiles.json")
    store(environ).store(JOE, Stop())
    assert config.is_symlink()
    assert login(environ) == JOE


def test_a_link_that_leads_nowhere_gives_way_to_the_file(
    config: Path, environ: dict[str, str]
) -> None:
    config.parent.mkdir()
    config.symlink_to(config)
    assert not store(environ).erase(Stop())
    store(environ).store(JOE, Stop())
    assert login(environ) == JOE


def test_a_list_of_logins_without_a_value_is_empty(config: Path, environ: dict[str, str]) -> None:
    write(config, '{"auths": null, "psFormat": "x"}')
    assert not store(environ).erase(Stop())
    store(environ).store(JOE, Stop())
    assert login(environ) == JOE
    assert json.loads(config.read_text())["psFormat"] == "x"


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": []}', ""])
def test_a_file_that_is_not_understood_is_left_as_it_is(
    text: str, config: Path, environ: dict[str, str]
) -> None:
    write(config, text)
    with pytest.raises(StorageError, match=f"can't change {config}: "):
        store(environ).store(JOE, Stop())
    with pytest.raises(StorageError):
        store(environ).erase(Stop())
    assert config.read_text() == text


def test_erasing_what_is_not_there(config: Path, environ: dict[str, str]) -> None:
    assert not store(environ).erase(Stop())
    assert not config.exists()
    write(config, {"auths": {"other.example": {}}})
    assert not store(environ).erase(Stop())


@pytest.mark.parametrize("named", [{"credHelpers": {NAME: "test"}}, {"credsStore": "test"}])
def test_the_helper_of_dockers_file(
    named: dict[str, Any], config: Path, environ: dict[str, str], helper: Path, tmp_path: Path
) -> None:
    """Docker's protocol: ServerURL, Username and Secret on the standard input."""
    write(config, {**named, "auths": {NAME: {"auth": "b2xkOm9sZA=="}}})
    place = store(environ)
    assert place.place == f"the credential helper {HELPER}"
    place.store(JOE, Stop())
    told = json.loads((tmp_path / "kept").read_text())
    assert told == {"ServerURL": NAME, "Username": "joe", "Secret": JOE.password.reveal()}
    assert (tmp_path / "called").read_text() == "store\n"
    assert json.loads(config.read_text()) == {**named, "auths": {NAME: {}}}
    assert store(environ).erase(Stop())
    assert (tmp_path / "erased").read_text() == NAME
    assert not (tmp_path / "kept").exists()
    assert json.loads(config.read_text()) == {**named, "auths": {}}
    assert not store(environ).erase(Stop())


def test_a_helper_keeps_an_identity_token_under_dockers_user_for_it(
    config: Path, environ: dict[str, str], helper: Path, tmp_path: Path
) -> None:
    write(config, {"credsStore": "test"})
    store(environ, "docker.io").store(Login(identity_token=Secret("idt")), Stop())
    told = json.loads((tmp_path / "kept").read_text())
    hub = "https://index.docker.io/v1/"
    assert told == {"ServerURL": hub, "Username": "<token>", "Secret": "idt"}


def test_a_helper_of_the_settings_goes_first(
    config: Path, environ: dict[str, str], helper: Path, tmp_path: Path
) -> None:
    write(config, {"credHelpers": {NAME: "nobody-has"}})
    named = Login(helper=HELPER, helper_key="elsewhere")
    store(environ, login=named).store(JOE, Stop())
    assert json.loads((tmp_path / "kept").read_text())["ServerURL"] == "elsewhere"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("cat; cat >&2; exit 3", r"failed to store the login for .+ \(exit status 3\)"),
        ("", "is not installed"),
    ],
)
def test_a_helper_that_fails_stores_nothing_and_no_error_quotes_it(
    script: str, why: str, config: Path, environ: dict[str, str], helper: Path
) -> None:
    write(config, {"credsStore": "test"})
    helper.write_text(f"#!/bin/sh\n{script}\n") if script else helper.unlink()
    with pytest.raises(CredentialError, match=why) as caught:
        store(environ).store(JOE, Stop())
    assert "p:w" not in str(caught.value)
    assert json.loads(config.read_text()) == {"credsStore": "test"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"x": 1e400}', "it has 1e400, which is no number of JSON"),
        ('{"x": [-Infinity]}', "it has -Infinity, which is no number of JSON"),
        ('{"x": NaN}', "it has NaN, which is no number of JSON"),
        ('{"x": ' + "9" * 6000 + "}", "it is not a JSON object"),
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("[]", "it is not a JSON object"),
    ],
)
def test_a_file_that_can_not_be_kept_as_it_is_stays_and_is_named(environ, config, content, why):
    write(config, content)
    messages = []
    load(environ, messages.append)
    assert [each.text for each in messages] == [
        f"docker config {config}: {why.removeprefix('it ')}; continuing without it"
    ]
    for change in (lambda: store(environ).store(JOE, Stop()), lambda: store(environ).erase(Stop())):
        with pytest.raises(StorageError) as caught:
            change()
        assert str(caught.value) == f"can't change {config}: {why} (correct the file)"
    assert config.read_text() == content


def test_a_folder_in_place_of_the_file_is_named(environ, config):
    config.mkdir(parents=True)
    for change in (lambda: store(environ).store(JOE, Stop()), lambda: store(environ).erase(Stop())):
        with pytest.raises(StorageError) as caught:
            change()
        assert str(caught.value) == f"can't read {config}: it is a folder, not a regular file"
