"""The registries that a person has set up: read below a config, and changed."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from textwrap import dedent

import pytest
from support.configs import load, problems

from regbot import Client
from regbot.config.load import default_config, read_config
from regbot.config.registries import registries_path
from regbot.config.registrychanges import forget, set_up, written_entries
from regbot.config.values import Config
from regbot.errors import ConfigError, StorageError
from regbot.http.hosts import HostSettings

HOST = "r.example"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own" / "registries.yml"


@pytest.fixture
def environ(path: Path) -> dict[str, str]:
    return {"REGBOT_CONFIG_HOME": str(path.parent)}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(dedent(text))


def host(config: Config, name: str = HOST) -> HostSettings:
    (settings,) = [each for each in config.client.hosts if each.name == name]
    return settings


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"REGBOT_CONFIG_HOME": "/a", "XDG_CONFIG_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_CONFIG_HOME": "/b", "HOME": "/c"}, "/b/regbot"),
        ({"XDG_CONFIG_HOME": "relative", "HOME": "/c"}, "/c/.config/regbot"),
        ({"HOME": "/c"}, "/c/.config/regbot"),
        ({}, None),
    ],
)
def test_where_the_file_is(
    environ: dict[str, str], folder: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert registries_path(environ) == (Path(folder) / "registries.yml" if folder else None)


def test_where_the_file_is_on_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    folder = Path("/c/Library/Application Support/regbot")
    assert registries_path({"HOME": "/c"}) == folder / "registries.yml"


def test_what_was_set_up_holds_where_the_config_says_nothing(
    path: Path, environ: dict[str, str]
) -> None:
    set_up(path, HOST, {"tls": "disabled", "repoAuth": "true"}, environ)
    for config in (
        load("creds: [{registry: other.example}]", environ=environ),
        load(f"creds: [{{registry: {HOST}, priority: 3}}]", environ=environ),
        default_config(environ, Path()),
    ):
        assert (host(config).tls, host(config).repo_auth) == ("disabled", True)
    assert host(load(f"creds: [{{registry: {HOST}, priority: 3}}]", environ=environ)).priority == 3


def test_what_the_config_says_wins(path: Path, environ: dict[str, str]) -> None:
    set_up(path, HOST, {"tls": "disabled", "priority": "1", "pathPrefix": "hub"}, environ)
    config = load(
        f"creds: [{{registry: {HOST}, scheme: https, priority: 0}}]",
        environ=environ,
    )
    assert (host(config).tls, host(config).priority) == (None, 0)
    assert host(config).path_prefix == "hub"


def test_a_way_to_log_in_replaces_the_one_below_as_a_whole(
    path: Path, environ: dict[str, str]
) -> None:
    """Else the helper that was set up would beat the password of the config."""
    ways = {"credHelper": "docker-credential-x", "credHost": "elsewhere", "credExpire": "3m"}
    set_up(path, HOST, ways, environ)
    login = host(load(f"creds: [{{registry: {HOST}, user: a, pass: b}}]", environ=environ)).login
    assert (login.user, login.password.reveal(), login.helper) == ("a", "b", "")
    assert (login.helper_key, login.helper_expires) == ("", None)
    assert login.origin.place == "bot.yml:1"
    login = host(load(f"creds: [{{registry: {HOST}, user: a}}]", environ=environ)).login
    assert (login.user, login.helper) == ("a", "docker-credential-x")
    assert login.origin.place == f"bot.yml:1 and {path}:4"
    assert host(default_config(environ, Path())).login.origin.place == f"{path}:4"


def test_mistakes_have_their_places_beside_those_of_the_config(
    path: Path, environ: dict[str, str]
) -> None:
    write(path, "creds:\n  - registry: r.example\n    tsl: disabled\n    tls: off\n")
    empty, unknown, unexpected = problems("creds: [{registry: ''}]", environ=environ)
    assert empty.startswith("bot.yml:1:20: registry: the registry is empty")
    assert unknown == f"{path}:3:5: unknown key 'tsl' (did you mean tls?)"
    assert unexpected.startswith(f"{path}:4:10: tls: expected enabled, insecure or disabled")
    with pytest.raises(ConfigError, match="did you mean tls"):
        default_config(environ, Path())


@pytest.mark.parametrize("text", ["creds: [", "- a", "creds: x", "scripts: []"])
def test_a_file_of_another_form_is_a_mistake(
    text: str, path: Path, environ: dict[str, str]
) -> None:
    write(path, text)
    assert problems("{}", environ=environ)[0].startswith(f"{path}:")


@pytest.mark.parametrize("text", ["creds: [", "- a", "creds: x", "creds: [x]"])
def test_a_file_of_another_form_is_not_written_over(
    text: str, path: Path, environ: dict[str, str]
) -> None:
    write(path, text)
    with pytest.raises(ConfigError, match=f"^{path}:"):
        set_up(path, HOST, {"tls": "disabled"}, environ)
    assert path.read_text() == text


def test_an_empty_file_says_nothing(path: Path, environ: dict[str, str]) -> None:
    write(path, " \n")
    assert default_config(environ, Path()).client.hosts == ()
    set_up(path, HOST, {"tls": "disabled"}, environ)
    assert host(default_config(environ, Path())).tls == "disabled"


def test_warnings_have_their_places(path: Path, environ: dict[str, str]) -> None:
    write(path, "creds:\n  - {registry: r.example, user: '{{env `NOBODY`}}'}\n")
    warning = (
        f"{path}:2:33: user: the template's result is empty (is the variable or the file empty?)"
    )
    assert load("scripts: [{name: a, script: x()}]", environ=environ).warnings == (warning,)
    assert default_config(environ, Path()).warnings == (warning,)


def test_a_program_is_not_run_for_a_file_that_others_can_write_to(
    path: Path, environ: dict[str, str]
) -> None:
    set_up(path, HOST, {"tls": "disabled"}, environ)
    path.chmod(0o620)
    assert host(default_config(environ, Path())).tls == "disabled"
    set_up(path, HOST, {"credHelper": "docker-credential-x"}, environ)
    path.chmod(0o620)
    (problem,) = problems("{}", environ=environ)
    assert problem.startswith(f"{path}: it names a program under credHelper, and others can write")


def test_a_folder_in_its_place_is_a_warning(path: Path, environ: dict[str, str]) -> None:
    path.mkdir(parents=True)
    (warning,) = default_config(environ, Path()).warnings
    assert warning.startswith(f"{path}: can't read the file: ")
    assert warning.endswith("; continuing without it")
    with pytest.raises(StorageError):
        set_up(path, HOST, {"tls": "enabled"}, environ)


def test_a_test_of_scripts_does_not_look_at_it(path: Path, environ: dict[str, str]) -> None:
    write(path, "creds: [")
    config = path.parent / "regbot.yml"
    config.write_text("{}")
    read_config(str(config), environ=environ, stdin=BytesIO(), offline=True)


def test_a_server_that_watches_its_files_watches_it_too(
    path: Path, environ: dict[str, str]
) -> None:
    assert load("{}", environ=environ).files == (path,)


def test_the_library_has_it_too(path: Path, environ: dict[str, str]) -> None:
    write(path, "creds: [{registry: r.example, tls: no}]")
    with pytest.raises(ConfigError, match=r"registries\.yml:1:36: tls"):
        Client(environment=environ)


def test_a_change_keeps_all_else(path: Path, environ: dict[str, str]) -> None:
    write(
        path,
        """
        version: 1
        x-mine: {a: [1, null, "0123"]}
        creds:
          - registry: index.docker.io
            user: '{{env "NOBODY"}}'
            pass: 0123
            regcert: |
              -----BEGIN
              é
          - registry: other.example
            tls: insecure
        """,
    )
    settings = {"tls": "disabled", "mirrors": ["a.example"], "apiOpts": {"disableHead": "true"}}
    set_up(path, "docker.io", settings, environ)
    hub, other = written_entries(path)
    assert hub == {
        "registry": "index.docker.io",
        "user": '{{env "NOBODY"}}',
        "pass": "0123",
        "regcert": "-----BEGIN\né\n",
        **settings,
    }
    assert other == {"registry": "other.example", "tls": "insecure"}
    assert path.stat().st_mode & 0o777 == 0o600
    config = default_config(environ, Path())
    assert host(config, "docker.io").login.password.reveal() == "0123"
    assert host(config, "docker.io").disable_head
    text = path.read_text()
    assert "pass: 0123\n" in text
    assert "x-mine:\n  a:\n  - 1\n" in text


@pytest.mark.parametrize(
    "text", ["null", "~", "yes", "0x1f", "a: b", "- c", " d ", "#e", "<<", "="]
)
def test_a_text_is_read_as_it_was_set(text: str, path: Path, environ: dict[str, str]) -> None:
    set_up(path, HOST, {"credHost": text, "credHelper": "x"}, environ)
    assert host(default_config(environ, Path())).login.helper_key == text


def test_an_empty_value_takes_its_key_away(path: Path, environ: dict[str, str]) -> None:
    set_up(path, HOST, {"tls": "disabled", "mirrors": ["a.example"]}, environ)
    set_up(path, HOST, {"tls": "", "mirrors": []}, environ)
    assert written_entries(path) == [{"registry": HOST}]


def test_a_mistake_changes_nothing(path: Path, environ: dict[str, str]) -> None:
    set_up(path, HOST, {"tls": "disabled"}, environ)
    before = path.read_bytes()
    with pytest.raises(ConfigError) as caught:
        set_up(path, HOST, {"tls": "no", "clientCert": "-----BEGIN"}, environ)
    tls, pair = caught.value.problems
    assert tls.startswith(f"{HOST}: tls: expected enabled, insecure or disabled, not 'no'")
    assert pair == f"{HOST}: clientCert without clientKey (add clientKey)"
    assert path.read_bytes() == before


def test_a_file_in_a_template_has_its_whole_path(
    path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other commands run in other folders."""
    path.parent.mkdir()
    monkeypatch.chdir(path.parent)
    (path.parent / "user").write_text("joe")
    with pytest.raises(ConfigError, match=f"{HOST}: user starts at the current folder"):
        set_up(path, HOST, {"user": '{{file "user"}}'}, environ)
    set_up(path, HOST, {"user": f'{{{{file "{path.parent}/user"}}}}'}, environ)
    assert host(default_config(environ, Path())).login.user == "joe"


def test_what_was_wrong_before_can_be_set_right(path: Path, environ: dict[str, str]) -> None:
    write(
        path, "creds: [{registry: r.example, user: '{{file `/nowhere`}}'}, {registry: a, tls: x}]"
    )
    set_up(path, HOST, {"user": "joe"}, environ)
    assert forget(path, "a")
    assert host(default_config(environ, Path())).login.user == "joe"


def test_a_registry_is_forgotten(path: Path, environ: dict[str, str]) -> None:
    assert not forget(path, HOST)
    set_up(path, HOST, {"tls": "disabled"}, environ)
    set_up(path, "other.example", {"tls": "disabled"}, environ)
    assert forget(path, HOST)
    assert written_entries(path) == [{"registry": "other.example", "tls": "disabled"}]
    assert not forget(path, HOST)


def test_a_link_stays_a_link(path: Path, environ: dict[str, str], tmp_path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(tmp_path / "dotfiles.yml")
    set_up(path, HOST, {"tls": "disabled"}, environ)
    assert path.is_symlink()
    assert json.dumps(HOST)[1:-1] in (tmp_path / "dotfiles.yml").read_text()


def test_a_folder_that_is_made_is_private(path: Path, environ: dict[str, str]) -> None:
    set_up(path, HOST, {"tls": "disabled"}, environ)
    assert path.parent.stat().st_mode & 0o077 == 0
