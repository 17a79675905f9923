"""``regbot sync`` and entries under ``sync``, by the installed command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command import regbot
from support.registry import DISTRIBUTION_3, TestRegistry

from regbot.config.syncplaces import kind_of_source


@pytest.fixture
def registry(tmp_path):
    with TestRegistry(DISTRIBUTION_3) as registry:
        for tag in ("1.0", "1.1", "2.0", "edge"):
            registry.put_image("team/app", tag, labels={"tag": tag})
        config = {
            "creds": [{"registry": registry.host, "tls": "disabled"}],
            "defaults": {"state": str(tmp_path / "state")},
        }
        (tmp_path / "regbot.yml").write_text(json.dumps(config))
        yield registry


def sync(folder: Path, *arguments: str):
    return regbot("sync", *arguments, home=folder, cwd=folder)


def test_the_tags_that_are_chosen_are_copied_and_the_history_has_it(tmp_path, registry):
    done = sync(
        tmp_path,
        f"{registry.host}/team/app",
        f"{registry.host}/copies/app",
        "--tag",
        r"\d.*",
        "--except",
        "2.*",
        "--missing",
        "--cleanup",
    )
    assert done.returncode == 0, done.stderr
    assert set(registry.tags("copies/app")) == {"1.0", "1.1"}
    assert "copied 2 images" in done.stderr
    history = regbot("history", home=tmp_path, cwd=tmp_path).stdout
    assert "2 done" in history
    names = f"{registry.host}/team/app {registry.host}/copies/app"
    assert f"\tsync {names} --cleanup --missing\t" in history


def test_a_dry_run_shows_what_would_be_copied_and_deleted(tmp_path, registry):
    registry.put_image("copies/app", "old")
    done = sync(
        tmp_path,
        f"{registry.host}/team/app",
        f"{registry.host}/copies/app",
        "--range",
        ">=1.1",
        "--cleanup",
        "--dry-run",
    )
    assert done.returncode == 0, done.stderr
    for tag in ("copies/app:1.1", "copies/app:2.0", "copies/app:old"):
        assert tag in done.stdout
    assert set(registry.tags("copies/app")) == {"old"}


def test_what_is_missing_is_copied_and_no_tag_moves(tmp_path, registry):
    there = registry.put_image("copies/app", "1.0")
    done = sync(tmp_path, f"{registry.host}/team/app", f"{registry.host}/copies/app", "--missing")
    assert done.returncode == 0, done.stderr
    assert set(registry.tags("copies/app")) == {"1.0", "1.1", "2.0", "edge"}
    assert registry.tags("copies/app")["1.0"] == there


def test_missing_is_for_syncs_in_this_process(tmp_path):
    (tmp_path / "regbot.yml").write_text("scripts: [{name: a, script: 'log(1)'}]\n")
    for more, line in (((), "'a' is none"), (("--cluster",), "doesn't go with --cluster")):
        done = regbot("once", "--missing", *more, home=tmp_path, cwd=tmp_path)
        assert done.returncode == 2
        assert line in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_an_image_goes_to_a_layout_folder_anywhere_and_back(tmp_path, registry):
    config = json.loads((tmp_path / "regbot.yml").read_text())
    config["defaults"]["workDir"] = str(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "regbot.yml").write_text(json.dumps(config))
    layout = f"ocidir://{tmp_path}/store:1"
    assert sync(tmp_path, f"{registry.host}/team/app:1.0", layout).returncode == 0
    assert sync(tmp_path, layout, f"{registry.host}/back:x").returncode == 0
    assert registry.tags("back")["x"] == registry.tags("team/app")["1.0"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("a:1", "b:1", "--cleanup"), "a:1 is one image"),
        (("a", "b", "--tag", "("), "'regex:(' is not a regular expression"),
        (("a", "b", "--range", "new"), "'new' is not a range"),
        (("a", "b:1"), "b:1 has a tag, and a repository is needed"),
        (("a", "b", "--platform", "a/b/c/d"), "platform"),
    ],
)
def test_wrong_arguments_are_one_line(tmp_path, arguments, line):
    done = sync(tmp_path, *arguments)
    assert done.returncode == 2
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("alpine", "repository"),
        ("alpine:3.20", "image"),
        ("alpine:3", "image"),
        ("docker.io/library/alpine", "repository"),
        ("registry.example.org", "registry"),
        ("localhost:5000", "registry"),
        ("[::1]:5000", "registry"),
        ("127.0.0.1:5000/app", "repository"),
        ("ocidir://store", "repository"),
        ("ocidir://store:1", "image"),
    ],
)
def test_the_name_of_a_source_tells_what_it_is(name, kind):
    assert kind_of_source(name) == kind
