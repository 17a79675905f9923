"""The image: built in one stage, run in another, by a user who is not root."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from support.command import regbot
from support.registry import TestRegistry
from support.tagged import APP, fill

ROOT = Path(__file__).parents[1]


def instructions(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    words = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [(name.upper(), rest) for name, rest in words]


@pytest.fixture(scope="module")
def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for name, rest in instructions((ROOT / "Dockerfile").read_text()):
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest))
    return found


def last(stage: list[tuple[str, str]], name: str) -> str:
    return [rest for own, rest in stage if own == name][-1]


def test_the_tools_of_the_build_stay_in_their_own_stage(stages):
    build, final = stages
    assert "pip" in " ".join(rest for name, rest in build if name == "RUN")
    copies = [rest for name, rest in final if name == "COPY"]
    assert copies
    assert all(copy.startswith("--from=build ") for copy in copies)


def test_every_installation_in_the_build_is_locked_or_regbot_itself(stages):
    commands = [
        command.split()
        for name, rest in stages[0]
        if name == "RUN"
        for command in rest.split("&&")
        if re.search(r"\bpip\b.* (install|wheel) ", command)
    ]
    assert len(commands) == 4
    for command in commands:
        locked = {"--require-hashes", "--requirement"} <= set(command)
        offline = {"--no-index", "--no-deps"} <= set(command)
        assert locked or offline, command


def test_the_image_has_a_variant_with_the_libraries_of_clouds(stages):
    name, _, usual = last(stages[0], "ARG").partition("=")
    (installing,) = [rest for own, rest in stages[0] if own == "RUN" and f"${name}" in rest]
    assert f'--requirement "requirements/${name}.txt"' in installing
    page = (ROOT / "docs" / "deploying.md").read_text()
    (variant,) = re.findall(rf"docker build --build-arg {name}=(\w+) ", page)
    for file in (usual, variant):
        assert (ROOT / "requirements" / f"{file}.txt").is_file()


def test_every_base_has_a_tag_of_python_that_regbot_runs_on(stages):
    for stage in stages:
        image, _, tag = stage[0][1].split()[0].partition(":")
        version = tag.removesuffix("-slim").split(".")
        assert image == "python"
        assert tuple(map(int, version)) >= (3, 11)


def test_it_runs_as_a_user_who_is_not_root_by_number(stages):
    user, _, group = last(stages[-1], "USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0


def test_any_command_of_regbot_runs_and_without_one_the_server(stages, tmp_path):
    assert json.loads(last(stages[-1], "ENTRYPOINT")) == ["regbot"]
    command, *arguments = json.loads(last(stages[-1], "CMD"))
    assert command == "server"
    assert arguments[:2] == ["-c", "/config/regbot.yml"]
    known = regbot(command, "--help", home=tmp_path).stdout
    assert [word for word in arguments if word.startswith("-") and word not in known] == []


def test_the_health_check_is_a_file_of_the_image_and_needs_no_shell(stages):
    _, _, check = last(stages[-1], "HEALTHCHECK").partition(" CMD ")
    *interpreter, script = json.loads(check)
    assert interpreter == ["python", "-I", "-S"]
    (source,) = [
        rest.split()[0] for name, rest in stages[0] if name == "COPY" and rest.endswith(script)
    ]
    assert (ROOT / source).is_file()


def test_all_that_is_written_is_in_the_volume(stages, tmp_path):
    """With the image's variables, nobody needs a home or a folder that can be written to."""
    (volume,) = last(stages[-1], "VOLUME").split()
    variables = {
        name: value.replace(volume, str(tmp_path / "state"))
        for name, value in re.findall(r"(XDG_\w+)=(\S+)", last(stages[-1], "ENV"))
    }
    assert len(variables) == 2
    with TestRegistry() as registry:
        fill(registry)
        old = f'"{registry.host}/{APP}:old"'
        config = (
            f"creds: [{{registry: '{registry.host}', tls: disabled}}]\n"
            f"scripts: [{{name: a, script: 'image.config({old}) tag.delete({old})'}}]\n"
        )
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "regbot.yml").write_text(config)
        done = regbot(
            "once",
            home=Path("/dev/null/no home"),
            variables=variables | {"TMPDIR": "/dev/null/no folder"},
            cwd=tmp_path / "config",
        )
        assert registry.tags(APP).keys() == {"same", "kept"}
    assert done.returncode == 0
    assert "level=WARN" not in done.stderr
    assert [path.name for path in (tmp_path / "config").iterdir()] == ["regbot.yml"]
    assert {path.name for path in (tmp_path / "state").iterdir()} == {"cache", "regbot"}


def test_what_the_build_copies_is_there_and_not_ignored(stages):
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [
        source for name, rest in stages[0] if name == "COPY" for source in shlex.split(rest)[:-1]
    ]
    assert "regbot" in copied
    for source in copied:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignore
