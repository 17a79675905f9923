"""Docker's files, and how the config's own words beat them."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.httpclient import web
from support.registry import TestRegistry

from regbot.events import Event, Message, ignore
from regbot.http.docker_config import DockerConfig, load
from regbot.http.hosts import HUB_KEY, HostSettings, Login, Origin, Secret


def auth(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def write(folder: Path, data: Any) -> dict[str, str]:
    text = data if isinstance(data, str) else json.dumps(data)
    (folder / "config.json").write_text(text)
    return {"DOCKER_CONFIG": str(folder), "HOME": "/nonexistent"}


def login(folder: Path, registry: str, data: Any) -> Login:
    return load(write(folder, data), ignore).login(registry)


def test_a_login_as_docker_login_writes_it(tmp_path: Path) -> None:
    """FAQ: importing the docker configuration from $HOME/.docker/config.json."""
    found = login(tmp_path, "r.example", {"auths": {"r.example": {"auth": auth("joe", "a:b")}}})
    assert found == Login("joe", Secret("a:b"))


def test_the_file_in_the_home_folder_is_read_without_docker_config(tmp_path: Path) -> None:
    """FAQ: importing the docker configuration from $HOME/.docker/config.json."""
    (tmp_path / ".docker").mkdir()
    write(tmp_path / ".docker", {"auths": {"r.example": {"username": "joe", "password": "pw"}}})
    config = load({"HOME": str(tmp_path)}, ignore)
    assert config.login("r.example") == Login("joe", Secret("pw"))


@pytest.mark.parametrize("key", [HUB_KEY, "docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_under_all_its_names(tmp_path: Path, key: str) -> None:
    """Config: registry-1.docker.io and index.docker.io mean docker.io."""
    found = login(tmp_path, "docker.io", {"auths": {key: {"auth": auth("joe", "pw")}}})
    assert found.user == "joe"


@pytest.mark.parametrize("key", ["https://r.example", "https://r.example/v1/", "http://r.example/"])
def test_a_key_may_be_a_url(tmp_path: Path, key: str) -> None:
    """Docker config: older clients wrote URLs as keys."""
    assert login(tmp_path, "r.example", {"auths": {key: {"auth": auth("joe", "pw")}}}).user == "joe"


def test_the_exact_key_beats_a_url_of_the_same_host(tmp_path: Path) -> None:
    """Docker config: older clients wrote URLs as keys."""
    auths = {
        "https://r.example/v1/": {"auth": auth("old", "x")},
        "r.example": {"auth": auth("new", "y")},
        "https://r.example/": {"auth": auth("other", "z")},
    }
    assert login(tmp_path, "r.example", {"auths": auths}).user == "new"


def test_a_login_for_one_path_is_not_given_to_the_whole_host(tmp_path: Path) -> None:
    """Law: credentials go only to what they are for."""
    data = {"auths": {"r.example/team": {"auth": auth("joe", "pw")}}}
    assert login(tmp_path, "r.example", data) == Login()


def test_identity_and_registry_tokens(tmp_path: Path) -> None:
    """PITFALLS: identity tokens are exchanged by POST; here they are found."""
    data = {
        "auths": {
            "id.example": {"auth": auth("zero", ""), "identitytoken": "idt"},
            "reg.example": {"registrytoken": "regt"},
            "user.example": {"auth": auth("<token>", "idt2")},
        }
    }
    config = load(write(tmp_path, data), ignore)
    assert config.login("id.example") == Login("zero", identity_token=Secret("idt"))
    assert config.login("reg.example") == Login(registry_token=Secret("regt"))
    assert config.login("user.example") == Login(identity_token=Secret("idt2"))


def test_helpers_get_their_prefix_and_beat_logins(tmp_path: Path) -> None:
    """FAQ: the docker configuration removes the docker-credential- prefix."""
    data = {
        "auths": {"gcr.io": {"auth": auth("joe", "pw")}, "other.example": {}},
        "credHelpers": {"gcr.io": "gcr", HUB_KEY: "hub"},
        "credsStore": "desktop",
    }
    config = load(write(tmp_path, data), ignore)
    assert config.login("gcr.io").helper == "docker-credential-gcr"
    assert not config.login("gcr.io").helper_optional
    hub = config.login("docker.io")
    assert (hub.helper, hub.helper_key) == ("docker-credential-hub", HUB_KEY)
    store = config.login("other.example")
    assert (store.helper, store.helper_key) == ("docker-credential-desktop", "other.example")
    assert store.helper_optional


def test_docker_auth_config_beats_the_file(tmp_path: Path) -> None:
    """Config: $DOCKER_AUTH_CONFIG beside $DOCKER_CONFIG."""
    environ = write(
        tmp_path,
        {
            "auths": {
                "a.example": {"auth": auth("file", "x")},
                "b.example": {"auth": auth("file", "x")},
            },
            "credHelpers": {"a.example": "gone"},
        },
    )
    text = json.dumps({"auths": {"a.example": {"auth": auth("env", "y")}}})
    config = load({**environ, "DOCKER_AUTH_CONFIG": text}, ignore)
    assert config.login("a.example") == Login("env", Secret("y"))
    assert config.login("b.example").user == "file"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"auths": []}', "[" * 100_000])
def test_a_broken_file_is_one_warning_that_names_it(tmp_path: Path, text: str) -> None:
    events: list[Event] = []
    config = load(write(tmp_path, text), events.append)
    assert config.login("r.example") == Login()
    (warning,) = events
    assert isinstance(warning, Message)
    assert warning.level == "warn"
    assert str(tmp_path / "config.json") in warning.text


def test_a_broken_entry_is_named_and_the_others_count(tmp_path: Path) -> None:
    events: list[Event] = []
    data = {
        "auths": {
            "bad.example": {"auth": "c2VjcmV0!!"},
            "odd.example": {"auth": 5},
            "good.example": {"auth": auth("joe", "pw")},
        }
    }
    config = load(write(tmp_path, data), events.append)
    assert config.login("good.example").user == "joe"
    texts = [x.text for x in events if isinstance(x, Message)]
    assert len(texts) == 2
    assert "bad.example" in texts[0]
    assert "c2VjcmV0" not in "".join(texts)


def test_an_unreadable_file_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    events: list[Event] = []
    load({"DOCKER_CONFIG": str(tmp_path)}, events.append)
    assert [x.level for x in events if isinstance(x, Message)] == ["warn"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(["auths", "credHelpers", "credsStore", "r.example", "auth"])
                | st.text(),
                x,
            )
        ),
    )
)
def test_any_json_is_read_without_a_crash(data: object) -> None:
    config = load({"DOCKER_AUTH_CONFIG": json.dumps(data)}, ignore)
    assert isinstance(config.login("r.example"), Login)


def filled_in(settings: HostSettings, docker: Login) -> tuple[HostSettings, list[Event]]:
    events: list[Event] = []
    config = DockerConfig({settings.name: docker})
    return config.fill_in(settings, events.append), events


def test_docker_fills_in_what_the_config_does_not_say() -> None:
    """Config: docker's login counts where the YAML says nothing."""
    docker = Login("joe", Secret("pw"))
    settings, events = filled_in(HostSettings("r", tls="disabled"), docker)
    assert (settings.login, settings.tls) == (docker, "disabled")
    assert events == []


def test_the_config_wins_field_by_field_and_says_so() -> None:
    """Config: the YAML wins over docker's login field by field, with a log line."""
    configured = HostSettings("r", login=Login("own"))
    settings, events = filled_in(configured, Login("joe", Secret("pw")))
    assert settings.login == Login("own", Secret("pw"))
    (message,) = events
    assert isinstance(message, Message)
    assert message.fields == {"registry": "r", "fields": "user"}


def test_a_helper_of_the_config_is_named_by_the_config_alone() -> None:
    """Its error says where it is named; a login that docker stored names no helper."""
    ours, docker = Origin("regbot.yml:3"), Origin("config.json")
    configured = HostSettings("r", login=Login(helper="docker-credential-x", origin=ours))
    settings, _ = filled_in(configured, Login("joe", Secret("pw"), origin=docker))
    assert settings.login.origin == ours


def test_a_login_in_the_config_beats_docker_tokens_and_helpers() -> None:
    """Config: the YAML wins over docker's login."""
    configured = HostSettings("r", login=Login("own", Secret("own")))
    docker = Login(
        identity_token=Secret("idt"), registry_token=Secret("regt"), helper="docker-credential-x"
    )
    settings, events = filled_in(configured, docker)
    assert settings == configured
    assert [x.fields["fields"] for x in events if isinstance(x, Message)] == ["token, credHelper"]


def test_what_a_helper_is_asked_for_may_come_from_the_config() -> None:
    """Config: ``credHost`` and ``credExpire`` count for a helper of docker's too."""
    login = Login(helper_key="https://h.example", helper_expires=60.0)
    docker = Login(helper="docker-credential-x", helper_key="r")
    settings, _ = filled_in(HostSettings("r", login=login), docker)
    assert settings.login == replace(login, helper="docker-credential-x")


def test_the_same_login_in_both_is_no_news() -> None:
    login = Login("joe", Secret("pw"))
    assert filled_in(HostSettings("r", login=login), login)[1] == []


@pytest.mark.parametrize(
    ("keys", "tls"),
    [
        (["http://r.example"], "disabled"),
        (["http://r.example/v2/"], "disabled"),
        (["https://r.example"], None),
        (["r.example"], None),
        (["http://r.example", "r.example"], None),
        (["http://other.example"], None),
    ],
)
def test_an_http_url_in_auths_means_no_tls(
    tmp_path: Path, keys: list[str], tls: str | None
) -> None:
    """Docker config: ``auths: {"http://host": ...}`` means plain HTTP."""
    config = load(write(tmp_path, {"auths": {key: {} for key in keys}}), ignore)
    assert config.fill_in(HostSettings("r.example"), ignore).tls == tls


def test_an_http_url_of_a_helper_means_no_tls_too(tmp_path: Path) -> None:
    config = load(write(tmp_path, {"credHelpers": {"http://r.example": "x"}}), ignore)
    settings = config.fill_in(HostSettings("r.example"), ignore)
    assert (settings.tls, settings.login.helper_key) == ("disabled", "http://r.example")


def test_tls_of_the_config_beats_the_url_of_docker(tmp_path: Path) -> None:
    """Config: the YAML's ``tls`` wins."""
    config = load(write(tmp_path, {"auths": {"http://r.example": {}}}), ignore)
    assert config.fill_in(HostSettings("r.example", tls="enabled"), ignore).tls == "enabled"


def test_a_plain_registry_of_docker_is_reached() -> None:
    """Docker config: ``auths: {"http://host": ...}`` means plain HTTP, with its login."""
    with TestRegistry(auth="basic", users={"joe": "geheim"}) as registry:
        auths = {f"http://{registry.host}": {"auth": auth("joe", "geheim")}}
        environ = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": auths})}
        with web(environ=environ) as own:
            assert own.get(registry.host, "/v2/") == b"{}"
