"""regbot registry set, ls and rm: the options, and what is shown."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from support.command import regbot
from support.registry import TestRegistry
from support.tagged import APP, fill

from regbot.config.creds import Creds

HOST = "registry.example.org"


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return regbot("registry", *arguments, home=home)


def text_of(home: Path) -> str:
    return (home / ".config" / "regbot" / "registries.yml").read_text()


def test_every_key_has_an_option_but_those_that_login_stores(tmp_path: Path) -> None:
    page = run(tmp_path, "set", "--help").stdout
    names = {"--" + re.sub("([A-Z])", r"-\1", key).lower() for key in Creds.keys}
    hidden = {"--registry", "--scheme", "--pass", "--token"}
    assert names & hidden == hidden
    missing = [
        name for name in names - hidden if not re.search(rf"^  {name}\b", page, re.MULTILINE)
    ]
    assert missing == []
    assert not re.search(r"--(pass|token|scheme)\b", page)


def test_what_is_set_is_in_the_file_and_in_the_list(tmp_path: Path) -> None:
    done = run(tmp_path, "set", HOST, "--tls", "disabled", "--mirror", "a", "--mirrors", "b:5")
    assert done.returncode == 0
    assert done.stdout.startswith(f"{HOST}: set tls, mirrors in {tmp_path}/")
    assert run(tmp_path, "set", "--repo-auth", "docker.io").returncode == 0
    more = (
        "--api-opts",
        "disableHead=true",
        "--client-key",
        "{{env `KEY`}}",
        "--client-cert",
        "{{env `CRT`}}",
    )
    assert run(tmp_path, "set", "docker.io", "--no-repo-auth", *more).returncode == 0
    assert text_of(tmp_path).partition("\n")[2] == (
        "creds:\n"
        f"- registry: {HOST}\n  tls: disabled\n  mirrors:\n  - a\n  - b:5\n"
        "- registry: docker.io\n  repoAuth: false\n  clientCert: '{{env `CRT`}}'\n"
        "  clientKey: '{{env `KEY`}}'\n  apiOpts:\n    disableHead: true\n"
    )
    assert run(tmp_path, "ls").stdout == (
        f"{HOST}\ttls: disabled; mirrors: a, b:5\n"
        "docker.io\trepoAuth: false; clientCert: {{env `CRT`}}; clientKey: {{env `KEY`}};"
        " apiOpts: disableHead=true\n"
    )
    assert json.loads(run(tmp_path, "ls", "--json", "index.docker.io").stdout) == [
        {
            "registry": "docker.io",
            "repoAuth": "false",
            "clientCert": "{{env `CRT`}}",
            "clientKey": "{{env `KEY`}}",
            "apiOpts": {"disableHead": "true"},
        }
    ]


def test_a_secret_that_somebody_wrote_into_the_file_is_not_shown(tmp_path: Path) -> None:
    run(tmp_path, "set", HOST, "--regcert", "-----BEGIN A\nabc")
    path = tmp_path / ".config" / "regbot" / "registries.yml"
    path.write_text(path.read_text() + "  pass: geheim\n  token: geheim\n")
    listed = run(tmp_path, "ls")
    assert listed.stdout == f"{HOST}\tregcert: -----BEGIN A...; pass: ***; token: ***\n"
    assert "geheim" not in run(tmp_path, "ls", "--json").stdout


def test_what_is_set_is_used_and_removed(tmp_path: Path) -> None:
    with TestRegistry() as registry:
        fill(registry)
        ask = ("run", "--json", "-e", f"return tag.ls('{registry.host}/{APP}')")
        assert regbot(*ask, home=tmp_path).returncode == 1
        run(tmp_path, "set", "--tls", "disabled", registry.host)
        asked = regbot(*ask, home=tmp_path)
        assert json.loads(asked.stdout) == ["kept", "old", "same"]
        elsewhere = {"REGBOT_CONFIG_HOME": str(tmp_path / "elsewhere")}
        assert regbot(*ask, home=tmp_path, variables=elsewhere).returncode == 1
        done = run(tmp_path, "set", registry.host, "--tls", "", "--hostname", registry.host)
        assert done.stdout.startswith(f"{registry.host}: set hostname and removed tls in ")
        done = run(tmp_path, "rm", registry.host)
        assert (done.returncode, done.stdout[:8]) == (0, "removed ")
        assert regbot(*ask, home=tmp_path).returncode == 1
    assert run(tmp_path, "rm", registry.host).returncode == 1


def test_a_mistake_in_the_file_stops_every_command_with_its_place(tmp_path: Path) -> None:
    run(tmp_path, "set", HOST, "--tls", "disabled")
    path = tmp_path / ".config" / "regbot" / "registries.yml"
    path.write_text(path.read_text().replace("disabled", "off"))
    done = regbot("run", "-e", "return 1", home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{path}:4:8: tls: expected enabled, insecure or disabled")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((HOST,), "nothing to set"),
        ((HOST, "--tls", "off"), f"{HOST}: tls: expected enabled, insecure or disabled"),
        ((HOST, "--client-key", "-----BEGIN"), "--client-key: others can see a secret"),
        ((HOST, "--api-opts", "disableHead"), "--api-opts disableHead: write KEY=VALUE"),
        ((HOST, "--api-opts", "head=no"), f"{HOST}: unknown key 'head'"),
        (("https://a", "--tls", "disabled"), "registry 'https://a' is not a host name"),
        ((HOST, "--pass", "geheim"), "No such option"),
        (("--tls", "disabled"), "Missing argument"),
    ],
)
def test_wrong_use_changes_nothing(arguments: tuple[str, ...], why: str, tmp_path: Path) -> None:
    done = run(tmp_path, "set", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert "geheim" not in done.stderr
    assert not list(tmp_path.rglob("registries.yml"))


def test_without_a_folder_for_it(tmp_path: Path) -> None:
    done = regbot("registry", "ls", home=tmp_path, variables={"HOME": ""})
    assert done.returncode == 2
    assert "there is no folder for registries.yml" in done.stderr


def test_names_complete_to_those_that_were_set_up(tmp_path: Path) -> None:
    run(tmp_path, "set", HOST, "--tls", "disabled")
    line = {
        "_REGBOT_COMPLETE": "bash_complete",
        "COMP_WORDS": "regbot registry rm r",
        "COMP_CWORD": "3",
    }
    assert HOST in regbot(home=tmp_path, variables=line).stdout


@pytest.mark.parametrize("option", ["-c", "--dry-run"])
def test_an_option_in_front_of_all_commands(option: str, tmp_path: Path) -> None:
    values = ("nowhere.yml",) if option == "-c" else ()
    done = regbot(option, *values, "registry", "ls", home=tmp_path)
    assert done.returncode == (0 if option == "-c" else 2)
