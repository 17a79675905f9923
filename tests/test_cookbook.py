"""The cookbook shows the examples as they are."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import indent

import pytest
import yaml
from support.examples import EXAMPLES, RECIPES
from support.images import make_image, push
from support.scripts import run_script_text

from regbot.config.tables import policy_of_table
from regbot.lua.flavours import preferred_flavour
from regbot.oci.reference import Reference
from regbot.rules.content import StoreContent
from regbot.rules.deciding import decide
from regbot.stopping import Stop
from regbot.store.ocidir import OciDirStore

COOKBOOK = Path(__file__).parents[1] / "docs" / "cookbook.md"
DEMO = "cleanup.yml"
SECTIONS = re.split(r"^### ", COOKBOOK.read_text(), flags=re.MULTILINE)[1:]


def file_of(section):
    return re.findall(r"^File: \[(\S+)\]", section, re.MULTILINE)[0]


def test_every_example_has_its_recipe():
    files = [file_of(section) for section in SECTIONS]
    assert sorted(files) == sorted({path.name for path in RECIPES} - {DEMO})
    assert len(files) >= 12


def blocks(section, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.split("\n")[0])
def test_a_recipe_is_its_example(section):
    (script,) = yaml.safe_load((EXAMPLES / file_of(section)).read_text())["scripts"]
    if "retention" in script:
        text = (EXAMPLES / file_of(section)).read_text()
        (shown,) = blocks(section, "yaml")
        assert indent(shown, "    ") in text
        return
    lua = (EXAMPLES / script["file"]).read_text() if "file" in script else script["script"]
    assert blocks(section, "lua") == [lua]
    assert [key for key in script["args"] if f"`{key}`" not in section] == []
    assert "file" not in script or f"[{script['file']}]" in section


def test_every_lua_file_belongs_to_an_example():
    used = {
        script.get("file")
        for path in RECIPES
        for script in yaml.safe_load(path.read_text())["scripts"]
    }
    lua = {path.name for path in EXAMPLES.glob("*.lua")} - {"regbot.meta.lua"}
    assert lua == used - {None}


BY_RULES = [section for section in SECTIONS if blocks(section, "lua") and blocks(section, "yaml")]


@pytest.fixture
def repository(tmp_path):
    """Builds and releases, each with a date of its own."""
    store = OciDirStore(Reference.parse(f"ocidir://{tmp_path}/app"))
    now = datetime.now(UTC)
    tests = {0: {}, 1: {"org.example.tests": "failed"}, 2: {"org.example.tests": "ok"}}
    for days in (1, 3, 5, 8, 10, 12, 15, 20, 25, 29, 31, 40, 60, 89, 91, 120):
        created = (now - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        labels = {"days": str(days), **tests[days % 3]}
        push(store, make_image(created=created, labels=labels), f"build-{days:03}")
    push(store, make_image(created=None, labels={"days": "?"}), "build-undated")
    for tag in (
        "v1.2.0",
        "v1.9.0",
        "v1.10.0",
        "v1.10.1",
        "v2.0.0",
        "v2.1.0",
        "v2.1.0-rc.1",
        "v01.0.0",
    ):
        push(store, make_image(labels={"release": tag}), tag)
    push(store, make_image(labels={"tag": "latest"}), "latest")
    return store


@pytest.mark.parametrize("section", BY_RULES, ids=lambda section: section.split("\n")[0])
def test_the_rules_of_a_recipe_delete_what_its_script_does(section, repository):
    (script,) = yaml.safe_load((EXAMPLES / file_of(section)).read_text())["scripts"]
    (rules,) = blocks(section, "yaml")
    policy = policy_of_table(yaml.safe_load(rules)["retention"], in_use=False)
    content = StoreContent(repository, Stop())
    decisions = decide(content, policy, datetime.now(UTC).timestamp())
    arguments = {**script["args"], "repo": str(repository.repository)}
    ran = run_script_text(
        script["script"], flavour=preferred_flavour(), arguments=arguments, dry_run=True
    )
    assert ran.error is None
    deleted = {str(outcome.action.reference.tag) for outcome in ran.outcomes}
    assert {str(decision.tag) for decision in decisions.deleted} == deleted != set()


def test_there_are_recipes_as_rules():
    assert len(BY_RULES) >= 5
