"""The cookbook shows the examples as they are."""

import re
from pathlib import Path

import pytest
import yaml
from support.examples import EXAMPLES

COOKBOOK = Path(__file__).parents[1] / "docs" / "cookbook.md"
DEMO = "cleanup.yml"
SECTIONS = re.split(r"^### ", COOKBOOK.read_text(), flags=re.MULTILINE)[1:]


def file_of(section):
    return re.findall(r"^File: \[(\S+)\]", section, re.MULTILINE)[0]


def test_every_example_has_its_recipe():
    files = [file_of(section) for section in SECTIONS]
    assert sorted(files) == sorted({path.name for path in EXAMPLES.glob("*.yml")} - {DEMO})
    assert len(files) >= 12


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.split("\n")[0])
def test_a_recipe_is_its_example(section):
    (script,) = yaml.safe_load((EXAMPLES / file_of(section)).read_text())["scripts"]
    lua = (EXAMPLES / script["file"]).read_text() if "file" in script else script["script"]
    shown = re.findall(r"^```lua\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert shown == [lua]
    assert [key for key in script["args"] if f"`{key}`" not in section] == []
    assert "file" not in script or f"[{script['file']}]" in section


def test_every_lua_file_belongs_to_an_example():
    used = {
        script.get("file")
        for path in EXAMPLES.glob("*.yml")
        for script in yaml.safe_load(path.read_text())["scripts"]
    }
    lua = {path.name for path in EXAMPLES.glob("*.lua")} - {"regbot.meta.lua"}
    assert lua == used - {None}
