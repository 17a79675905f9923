"""Files, programs and Compose files that name images in use."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from regbot.errors import Stopped, UseUnknown
from regbot.rules.in_use.compose import read_compose
from regbot.rules.in_use.listed import read_command, read_list
from regbot.rules.in_use.settings import Command, ComposeFile, ImageList
from regbot.stopping import Stop


def texts(seen) -> list[str]:
    return [mention.text for mention in seen.mentions]


def listed(folder: Path, content: str | bytes):
    path = folder / "images.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_list(ImageList(path))


def test_a_file_has_a_reference_on_each_line(tmp_path):
    seen = listed(tmp_path, "\ufeffnginx:1\n\n# all of them\n  reg.example/a:1  # the shop\r\n")
    assert texts(seen) == ["nginx:1", "reg.example/a:1"]
    assert [mention.user for mention in seen.mentions] == [
        f"line {number} of {tmp_path}/images.txt" for number in (1, 4)
    ]
    assert seen.notes == ()


def test_a_file_without_an_image_is_read_with_a_note(tmp_path):
    assert listed(tmp_path, "# none\n").notes == ("it names no image",)


@pytest.mark.parametrize("content", ["nginx:1\nno reference\n", "App:1", b"\xff\xfe\x00"])
def test_a_file_with_a_line_that_is_no_reference_can_t_be_read(tmp_path, content):
    with pytest.raises(UseUnknown, match=r"line \d|UTF-8"):
        listed(tmp_path, content)


def test_a_file_that_is_missing_or_no_file_can_t_be_read(tmp_path):
    for path in (tmp_path / "images.txt", tmp_path):
        with pytest.raises(UseUnknown, match="can't read"):
            read_list(ImageList(path))


def ran(folder: Path, program: str, stop: Stop | None = None, timeout: float = 30.0):
    command = Command((sys.executable, "-c", program), folder)
    return read_command(command, dict(os.environ), stop or Stop(), timeout=timeout)


def test_a_program_prints_references(tmp_path):
    seen = ran(tmp_path, "import os; print('nginx:1'); print('reg.example/' + os.getcwd()[-1])")
    assert texts(seen) == ["nginx:1", f"reg.example/{str(tmp_path)[-1]}"]
    assert seen.mentions[0].user == f"line 1 of command {sys.executable}"


def test_arguments_are_no_shell_s(tmp_path):
    command = Command(("echo", "a:1;touch", "made", "$(touch made)"), tmp_path)
    with pytest.raises(UseUnknown, match="line 1"):
        read_command(command, dict(os.environ), Stop())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("print('nginx:1'); raise SystemExit(3)", "exit status 3"),
        ("print('nginx:1 --and more')", "line 1"),
        ("import sys; sys.stdout.write('a' * 20_000_000)", "too much output"),
    ],
)
def test_a_program_that_fails_says_nothing(tmp_path, program, why):
    with pytest.raises(UseUnknown, match=why):
        ran(tmp_path, program)


def test_a_program_that_is_not_there_can_t_be_run(tmp_path):
    with pytest.raises(UseUnknown, match="can't be run"):
        read_command(Command(("no-such-program",), tmp_path), {"PATH": "/nowhere"}, Stop())


def test_a_program_that_hangs_is_ended_with_what_it_started(tmp_path):
    program = "import subprocess; subprocess.run(['sleep', '600'])"
    began = time.monotonic()
    with pytest.raises(UseUnknown, match="did not answer within"):
        ran(tmp_path, program, timeout=0.5)
    stop = Stop()
    stop.ask()
    with pytest.raises(Stopped):
        ran(tmp_path, program, stop)
    assert time.monotonic() - began < 60


def composed(folder: Path, text: str, environ: dict[str, str] | None = None, **files: str):
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    (folder / "compose.yml").write_text(text)
    return read_compose(ComposeFile(folder / "compose.yml"), environ or {})


def test_the_images_of_services_are_in_use(tmp_path):
    seen = composed(
        tmp_path,
        """
        x-base: &base {image: "reg.example/base:1"}
        services:
          web: {<<: *base, ports: ["80:80"]}
          db: {image: postgres, volumes: [data:/x, {type: image, source: models:3, target: /m}]}
          own: {build: .}
          off: {image: reg.example/off:1, profiles: [debug]}
          reset: {image: !reset reg.example/reset:1}
          none:
        """,
    )
    assert texts(seen) == [
        "reg.example/base:1",
        "postgres",
        "models:3",
        "reg.example/off:1",
        "reg.example/reset:1",
    ]
    assert seen.mentions[0].user == f"service web ({tmp_path}/compose.yml)"


@pytest.mark.parametrize(
    ("image", "environ", "resolved"),
    [
        ("app:$TAG", {"TAG": "2"}, "app:2"),
        ("${REG}/app:${TAG}", {"REG": "reg.example", "TAG": "2"}, "reg.example/app:2"),
        ("app:${TAG:-3}", {}, "app:3"),
        ("app:${TAG:-3}", {"TAG": ""}, "app:3"),
        ("app${TAG-:3}", {"TAG": ""}, "app"),
        ("app:${TAG:-${OTHER:-4}}", {}, "app:4"),
        ("app:${TAG:?say it}", {"TAG": "5"}, "app:5"),
        ("app${TAG:+:x}", {"TAG": "5"}, "app:x"),
        ("app${TAG:+:x}", {}, "app"),
    ],
)
def test_variables_are_filled_in_as_compose_does(tmp_path, image, environ, resolved):
    seen = composed(tmp_path, f"services: {{web: {{image: '{image}'}}}}", environ)
    assert texts(seen) == [resolved]


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("app:$TAG", "TAG is not set"),
        ("app:${TAG}", "TAG is not set"),
        ("app:${TAG:?say it}", "TAG is not set"),
        ("app:${TAG:-$OTHER}", "OTHER is not set"),
        ("app:${TAG/a/b}", "can't be read"),
        ("app:${TAG", "not closed"),
        ("app:$1", "can't be read"),
        ("App", "web"),
        ("${TAG:-}", "empty"),
    ],
)
def test_an_image_that_can_t_be_resolved_is_not_known(tmp_path, image, why):
    with pytest.raises(UseUnknown, match=why if why != "web" else "not allowed"):
        composed(tmp_path, f"services: {{web: {{image: '{image}'}}}}")


def test_settings_beside_the_file_count_after_the_environment(tmp_path):
    settings = "# mine\nexport A=1\nB=\"2\" # two\nC='$3'\nD=4\nE=${A}5\nF= # none\n"
    text = "services: {web: {image: 'x/$A-$B:$D'}}"
    assert texts(composed(tmp_path, text, {"D": "9"}, _env=settings)) == ["x/1-2:9"]
    with pytest.raises(UseUnknown, match="the value of the variable E"):
        composed(tmp_path, "services: {web: {image: 'x:${E:-1}'}}")
    assert texts(composed(tmp_path, "services: {web: {image: 'x${F:-:7}'}}")) == ["x:7"]


APP = "services: {web: {image: 'app:${TAG:-1}'}}"


@pytest.mark.parametrize(
    ("settings", "tag"),
    [
        ("\ufeffTAG=2\n", "2"),
        ("TAG=2\r\n", "2"),
        ('A="say \\"it\\"" # yes\nTAG=\'2\'\n', "2"),
        ("A=what's\nTAG=2 #3\n", "2"),
    ],
)
def test_settings_are_read_as_compose_does(tmp_path, settings, tag):
    assert texts(composed(tmp_path, APP, _env=settings)) == [f"app:{tag}"]


@pytest.mark.parametrize(
    "line",
    [
        "TAG: v2",
        "TAG",
        'A="one\nTAG=v9\n"',
        'A="say \\"it\nTAG=v9\n"',
        "A='it\\'s\nTAG=v9\n'",
        'A="one" two',
        "A B=1",
    ],
)
def test_settings_that_are_not_understood_stop(tmp_path, line):
    with pytest.raises(UseUnknown) as caught:
        composed(tmp_path, APP, _env=f"# mine\n\n{line}\n")
    assert str(caught.value) == f"{tmp_path}/.env: line 3 is not NAME=value on one line"


@pytest.mark.parametrize(
    ("name", "is_read"),
    [
        ("compose_override_yml", True),
        ("docker-compose_override_yaml", True),
        ("other_override_yml", False),
    ],
)
def test_an_override_file_counts_too(tmp_path, name, is_read):
    override = {name: "services: {web: {image: app:7}}"}
    assert texts(composed(tmp_path, APP, **override)) == ["app:1", *(["app:7"] if is_read else [])]
    if is_read:
        with pytest.raises(UseUnknown, match="is no mapping"):
            composed(tmp_path, APP, **{name: "services: {web: app}"})


def test_a_file_with_a_name_of_its_own_has_no_override(tmp_path):
    (tmp_path / "prod.yml").write_text(APP)
    (tmp_path / "compose.override.yml").write_text("services: {web: {image: app:7}}")
    assert texts(read_compose(ComposeFile(tmp_path / "prod.yml"), {})) == ["app:1"]


def test_the_files_that_the_settings_list_count_too(tmp_path):
    prod = "services: {web: {image: app:7}}"
    listed = "COMPOSE_FILE=compose.yml:prod.yml\nTAG=2\n"
    assert texts(composed(tmp_path, APP, _env=listed, prod_yml=prod)) == ["app:2", "app:7"]
    listed = "COMPOSE_PATH_SEPARATOR=;\nCOMPOSE_FILE=compose.yml;prod.yml\n"
    assert texts(composed(tmp_path, APP, _env=listed)) == ["app:1", "app:7"]
    for listed, why in (
        ("COMPOSE_FILE=compose.yml:gone.yml", "gone"),
        ("COMPOSE_FILE=$A", "COMPOSE_FILE"),
    ):
        with pytest.raises(UseUnknown, match=why):
            composed(tmp_path, APP, _env=listed)


@pytest.mark.parametrize(
    ("outer", "inner", "environ", "tag"),
    [
        ("", "TAG=2", {}, "2"),
        ("TAG=3", "TAG=2", {}, "3"),
        ("", "TAG=2", {"TAG": "4"}, "4"),
    ],
)
def test_an_included_folder_has_settings_of_its_own(tmp_path, outer, inner, environ, tag):
    files = {"_env": outer, "sub___env": inner, "sub__compose_yml": APP}
    for include in ("include: [sub/compose.yml]", "include: [{path: sub/compose.yml}]"):
        assert texts(composed(tmp_path, include, environ, **files)) == [f"app:{tag}"]


def test_a_file_counts_with_the_settings_of_all_who_read_it(tmp_path):
    seen = composed(
        tmp_path,
        "include: [sub/compose.yml]\nservices: {a: {extends: {file: sub/compose.yml}}}",
        sub___env="TAG=2",
        sub__compose_yml=f"include: [../compose.yml]\n{APP}",
    )
    assert sorted(texts(seen)) == ["app:1", "app:2"]


def test_files_that_are_included_or_extended_count(tmp_path):
    seen = composed(
        tmp_path,
        """
        include: [more.yml, {path: [deep/other.yml]}]
        services: {web: {extends: {service: base, file: base.yml}}}
        """,
        more_yml="services: {more: {image: more:1}}",
        deep__other_yml="include: [../more.yml]\nservices: {other: {image: other:1}}",
        base_yml="services: {base: {image: base:1}}",
    )
    assert sorted(texts(seen)) == ["base:1", "more:1", "other:1"]


@pytest.mark.parametrize(
    "text",
    [
        "services: [web]",
        "services: {web: nginx}",
        "services: {web: {image: [nginx]}}",
        "- services",
        "services: {web: {image: nginx}",
        "include: [gone.yml]",
        "include: [{path: compose.yml, env_file: other.env}]",
        "include: [{path: []}]",
        "include: [[compose.yml, 7]]",
        "web: {image: nginx}",
        "volumes: {data: }",
        "",
    ],
)
def test_what_is_no_compose_file_can_t_be_read(tmp_path, text):
    with pytest.raises(UseUnknown):
        composed(tmp_path, text)
