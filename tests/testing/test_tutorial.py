"""docs/testing.md: its example does what it says, and every key is there."""

import re
from pathlib import Path

import pytest
from support.command import regbot

from regbot.config.section import sections
from regbot.testing.schema import Suite

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLE, REPOSITORIES = [text for kind, text in BLOCKS if kind == "yaml"]
PASSES, FAILS, WORSE = [text for kind, text in BLOCKS if kind == "text"][:3]


def shown_by(folder, text):
    (folder / "cleanup_test.yml").write_text(text)
    return regbot("test", home=folder, cwd=folder).stdout


def test_the_example_passes_as_shown(tmp_path):
    assert shown_by(tmp_path, EXAMPLE) == PASSES


def test_the_example_fails_as_shown(tmp_path):
    condition = ' and name ~= "latest"'
    assert condition in EXAMPLE
    assert shown_by(tmp_path, EXAMPLE.replace(condition, "")) == FAILS


def test_a_variant_fails_as_shown(tmp_path):
    careless = EXAMPLE.replace("created and created <", "(created or 0) <")
    careless = careless.replace("deleted: [build-1]", "deleted: [build-1, build-3]")
    careless = careless.replace("kept: [build-2, build-3,", "kept: [build-2,")
    assert set(WORSE.splitlines()) <= set(shown_by(tmp_path, careless).splitlines())


def test_the_example_of_repositories_passes(tmp_path):
    assert "1 passed, 0 failed" in shown_by(tmp_path, REPOSITORIES)


@pytest.mark.parametrize("section", sections(Suite).values())
def test_every_key_is_explained(section):
    known_elsewhere = {"version", "tests", "name", "expect", "tags", "untagged", "maxDeletes"}
    guards = set(section.keys) >= {"maxDeletes", "keepAtLeast"}
    missing = [
        key
        for key in section.keys
        if not guards and key not in known_elsewhere and f"`{key}`" not in PAGE
    ]
    assert [key for key in missing if f"{key}:" not in PAGE] == []
