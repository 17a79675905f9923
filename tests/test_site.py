"""The site of the docs: all pages are in it, and it asks no other host for anything."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
ZENSICAL = Path(sys.executable).with_name("zensical")
FETCHED = re.compile(r"<(?:script|img|link)\b[^>]*?(?:src|href)=\"?(?:https?:)?//[^>]*>")

pytestmark = pytest.mark.skipif(not ZENSICAL.exists(), reason="zensical is not installed")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the site is made of."""
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    for folder in ("docs", "examples", "scripts"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    for path in [*ROOT.glob("*.md"), ROOT / "mkdocs.yml", ROOT / "LICENSE"]:
        shutil.copyfile(path, tmp_path / path.name)
    return tmp_path


def build(project: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/build_site.py", "site"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)


def test_every_page_becomes_html_that_needs_no_other_host(project):
    assert build(project).returncode == 0
    pages = {path.stem: path.read_text() for path in (project / "site").glob("*.html")}
    expected = {path.stem for path in (ROOT / "docs").glob("*.md")} | {"index", "changelog"}
    assert expected <= set(pages)
    assert [name for name, text in pages.items() if FETCHED.search(text)] == []
    assert (project / "site" / "examples" / "retention-rules.yml").exists()


@pytest.mark.parametrize(
    ("link", "named"),
    [
        ("gone.md", "docs/glossary.md: gone.md"),
        ("rules.md#no-such-heading", "glossary.md"),
        ("../examples", "docs/glossary.md: ../examples"),
    ],
)
def test_a_link_that_leads_nowhere_is_an_error(project, link, named):
    with (project / "docs" / "glossary.md").open("a") as page:
        page.write(f"\n[more]({link})\n")
    built = build(project)
    assert built.returncode == 1
    assert named in built.stderr
    assert not (project / "site").exists()


def test_the_navigation_and_the_pages_are_the_same(project):
    (project / "docs" / "new.md").write_text("# New\n")
    config = yaml.safe_load((project / "mkdocs.yml").read_text())
    config["nav"].append({"Gone": "gone.md"})
    (project / "mkdocs.yml").write_text(yaml.safe_dump(config))
    built = build(project)
    assert built.returncode == 1
    assert built.stderr.splitlines()[:2] == [
        "nav of mkdocs.yml: new.md is not there",
        "nav of mkdocs.yml: gone.md is there, and no such page exists",
    ]
