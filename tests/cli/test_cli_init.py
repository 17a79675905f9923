"""regbot init where there is nothing to look at, and what it never does."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
import yaml
from support.command import environment, regbot
from support.registry import DISTRIBUTION_3, TestRegistry

FILES = ["regbot-test.schema.json", "regbot.schema.json", "regbot.yml", "regbot_test.yml"]


def init(folder, *arguments):
    return regbot("init", *arguments, home=folder, cwd=folder)


def files(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_file())


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((), "registry.example.org/team/app"),
        (("--offline", "registry.example.com"), "registry.example.com/team/app"),
        (("--offline", "nginx"), "docker.io/library/nginx"),
    ],
)
def test_a_template_is_written_without_a_look(arguments, name, tmp_path):
    done = init(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert files(tmp_path) == FILES
    assert f"- {name}\n" in (tmp_path / "regbot.yml").read_text()
    assert f"regbot registry login {name.partition('/')[0]}" in done.stdout
    for command in ("check", "test"):
        ran = regbot(command, home=tmp_path, cwd=tmp_path)
        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("name", ["regbot.yml", "regbot.yaml", "regbot_test.yml"])
def test_no_file_is_overwritten(name, tmp_path):
    (tmp_path / name).write_text("mine\n")
    done = init(tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        f"{name}: this file exists already, so nothing was written"
        " (delete it, or change to another folder)\n"
    )
    assert files(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "mine\n"


def test_a_schema_that_is_there_stays(tmp_path):
    (tmp_path / "regbot.schema.json").write_text("mine\n")
    assert init(tmp_path).returncode == 0
    assert (tmp_path / "regbot.schema.json").read_text() == "mine\n"


@pytest.mark.parametrize(
    "names",
    [
        ("registry.example.org/team/app:v1",),
        ("ocidir://backup",),
        ("a.example", "b.example"),
        ("a.example/UPPER",),
    ],
)
def test_a_name_that_is_none_is_wrong_usage(names, tmp_path):
    done = init(tmp_path, *names)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert files(tmp_path) == []


def test_nothing_is_written_where_the_registry_does_not_answer(tmp_path):
    with TestRegistry(DISTRIBUTION_3) as registry:
        host = registry.host
    done = init(tmp_path, f"{host}/team/app")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.endswith(
        f"nothing was written (without a look: regbot init --offline {host}/team/app)"
    )
    assert files(tmp_path) == []


def test_a_registry_without_a_list_is_asked_by_name(tmp_path):
    with TestRegistry(DISTRIBUTION_3, catalog=False) as registry:
        registry.put_image("team/app", "v1")
        done = init(tmp_path, registry.host)
        assert done.returncode == 1
        assert f"name them: {registry.host}/team/app" in done.stderr
        assert files(tmp_path) == []
        assert init(tmp_path, f"{registry.host}/team/app").returncode == 0
        assert {request.method for request in registry.requests} <= {"GET", "HEAD"}


def test_an_empty_registry_is_told(tmp_path):
    with TestRegistry(DISTRIBUTION_3) as registry:
        done = init(tmp_path, registry.host)
    assert done.returncode == 1
    assert "has no repository with a tag" in done.stderr
    assert files(tmp_path) == []


def test_builds_that_are_all_that_there_is_do_not_break_the_guard(tmp_path):
    with TestRegistry(DISTRIBUTION_3) as registry:
        for number in range(100):
            registry.put_image(
                "team/app",
                f"build-{number}",
                created=f"2020-01-01T00:{number // 60:02}:{number % 60:02}Z",
            )
        assert init(tmp_path, registry.host).returncode == 0
        planned = regbot("plan", home=tmp_path, cwd=tmp_path)
        assert planned.returncode == 0, planned.stderr
        assert planned.stdout.count("build-") >= 90


def test_a_registry_can_not_write_into_the_config(tmp_path):
    """What it lists may be no name at all."""
    with TestRegistry(DISTRIBUTION_3) as registry:
        registry.put_image("team/app", "build-1")
        names = ("a: b\n    script: tag.delete('x')\n", "../../up", "a # b", "'", "\x1b[31mred")
        for name in names:
            registry.put_image(name, "build-1")
        done = init(tmp_path, registry.host)
    assert done.returncode == 0, done.stderr
    assert "of 1 tag in 1 repository" in done.stdout
    text = (tmp_path / "regbot.yml").read_text()
    (script,) = yaml.safe_load(text)["scripts"]
    assert script["repositories"] == [f"{registry.host}/team/app"]
    assert not [name for name in names if name != "'" and name in text]
    assert yaml.safe_load((tmp_path / "regbot_test.yml").read_text())["repositories"].keys() == {
        f"{registry.host}/team/app"
    }


def test_tags_that_yaml_takes_for_other_things_are_texts(tmp_path):
    words = ["NULL", "True", "n", "no", "null", "off", "on", "true", "y", "yes", "Yes"]
    with TestRegistry(DISTRIBUTION_3) as registry:
        for word in words:
            registry.put_image("team/app", word)
        assert init(tmp_path, registry.host).returncode == 0
    config = yaml.safe_load((tmp_path / "regbot.yml").read_text())
    protected = config["defaults"]["guard"]["protect"]
    assert protected[0] == "latest"
    assert all(isinstance(pattern, str) for pattern in protected)


def test_a_refused_login_of_the_environment_names_its_variables(tmp_path):
    variables = {"REGISTRY_USER": "bot", "REGISTRY_PASSWORD": "hunter2-secret"}
    with TestRegistry(DISTRIBUTION_3, auth="basic", users={"bot": "other"}) as registry:
        done = regbot("init", registry.host, home=tmp_path, cwd=tmp_path, variables=variables)
    assert done.returncode == 1
    assert "is from $REGISTRY_USER and $REGISTRY_PASSWORD (" in done.stderr
    assert "hunter2-secret" not in done.stderr


IMPATIENT = """
import sys
from regbot.cli import init
init._LONGEST = 1.0
sys.argv = ["regbot", "init", sys.argv[1]]
from regbot.cli.main import main
main()
"""


def test_a_look_does_not_last_for_ever(tmp_path):
    go = threading.Event()
    with TestRegistry(DISTRIBUTION_3) as registry:
        registry.put_image("team/app", "build-1")
        registry.before("GET", "/tags/list", lambda: go.wait(60), times=100)
        done = subprocess.run(
            [sys.executable, "-c", IMPATIENT, registry.host],
            env=environment(tmp_path),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=50,
        )
        go.set()
    assert done.returncode == 1
    assert done.stderr.startswith("the look took longer than 5 minutes (name ")
    assert len(done.stderr.splitlines()) == 1
    assert files(tmp_path) == []
