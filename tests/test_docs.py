"""The docs agree with the code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import regbot
from support.examples import EXAMPLES, RECIPES

from regbot.config.schema import File
from regbot.config.section import sections
from regbot.lua.api.catalogue import BINDINGS

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("form", "file"), [("markdown", "docs/lua-api.md"), ("luals", "examples/regbot.meta.lua")]
)
def test_a_generated_page_is_fresh(form, file, tmp_path):
    page = regbot("lua-api", "--format", form, home=tmp_path).stdout
    assert (ROOT / file).read_text() == page, "run scripts/docs"


def test_the_page_of_commands_is_fresh():
    script = ROOT / "scripts" / "command_page.py"
    page = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert (ROOT / "docs" / "commands.md").read_text() == page.stdout, "run scripts/docs"


@pytest.mark.parametrize(
    ("files", "file"),
    [("config", "docs/regbot.schema.json"), ("test", "docs/regbot-test.schema.json")],
)
def test_a_schema_is_fresh(files, file, tmp_path):
    schema = regbot("schema", "--for", files, home=tmp_path).stdout
    assert (ROOT / file).read_text() == schema, "run scripts/docs"


@pytest.mark.parametrize("name", ["config.md", "rules.md", "testing.md"])
def test_the_tables_of_keys_are_fresh(name, tmp_path):
    page = (ROOT / "docs" / name).read_text()
    (tmp_path / name).write_text(page)
    script = ROOT / "scripts" / "key_tables.py"
    subprocess.run([sys.executable, script, tmp_path / name], check=True, timeout=60)
    assert page.count("<!-- keys of ") > 1
    assert (tmp_path / name).read_text() == page, "run scripts/docs"


@pytest.mark.parametrize("path", [*RECIPES, *sorted(EXAMPLES.glob("tests/*.yml"))], ids=str)
def test_an_example_names_its_schema(path):
    first = path.read_text().splitlines()[0]
    schema = path.parent / first.removeprefix("# yaml-language-server: $schema=")
    assert schema.resolve().name == (
        "regbot-test.schema.json" if path.name.endswith("_test.yml") else "regbot.schema.json"
    )
    assert schema.is_file()


def test_the_terminal_page_names_every_function(tmp_path):
    page = regbot("lua-api", home=tmp_path).stdout
    assert [binding.name for binding in BINDINGS if f"{binding.name}(" not in page] == []


@pytest.mark.parametrize("section", sections(File).values())
def test_every_key_of_the_config_is_documented(section):
    page = (ROOT / "docs" / "config.md").read_text()
    assert [key for key in section.keys if not re.search(f"`{key}[`:]", page)] == []


def test_every_link_leads_somewhere():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    broken = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_file_of_the_code_that_is_named_is_there():
    pages = [ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    named = re.compile(r"`((?:regbot|tests|scripts|examples|requirements)/[\w./-]+)`")
    gone = [
        f"{page.name}: {path}"
        for page in pages
        for path in named.findall(page.read_text())
        if not (ROOT / path).exists()
    ]
    assert gone == []


def test_no_table_is_broken():
    """A table goes on without a blank line, and its second line rules off the heading."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    tables = [
        (page.name, table)
        for page in pages
        for table in re.findall(r"(?:^\|.*\n)+", page.read_text(), re.MULTILINE)
    ]
    broken = [name for name, table in tables if not re.match(r"\|.*\n\|[-|: ]+\|\n", table)]
    assert broken == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_a_page_begins_with_what_it_is_for(page):
    title, opening = re.split(r"\n\n+", page.read_text(), maxsplit=2)[:2]
    assert title.startswith("# ")
    assert "\n#" not in title
    assert re.match(r"[A-Z`\[r]", opening), f"{page.name} begins with {opening[:40]!r}"
