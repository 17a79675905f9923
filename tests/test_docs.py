"""The docs agree with the code."""

import re
from pathlib import Path

import pytest
from support.command import regbot

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
