"""Builds the site: the pages of docs/, with the README as the first.

The pages are written to be read where they are stored, so links lead to files of the
repository. A copy is made in which they lead to places of the site, and zensical makes
HTML of it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "mkdocs.yml"
PAGES_ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages outside docs/, and what they are called in the site."""

LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")
CODE = re.compile(r"(^```.*?^```$|`[^`\n]*`)", re.MULTILINE | re.DOTALL)


def sources(root: Path) -> dict[str, Path]:
    """Every page of the site by its name there."""
    pages = {path.name: path for path in (root / "docs").glob("*.md")}
    return pages | {name: root / path for path, name in PAGES_ELSEWHERE.items()}


def named_in(nav: object) -> Iterator[str]:
    """The pages of a navigation, section by section."""
    if isinstance(nav, str):
        yield nav
        return
    entries = nav.values() if isinstance(nav, dict) else nav
    for entry in entries if hasattr(entries, "__iter__") else ():
        yield from named_in(entry)


def mistakes_of_navigation(config: dict[str, Any], pages: set[str]) -> list[str]:
    """Pages that are missing in the navigation, or named there and missing."""
    named = list(named_in(config["nav"]))
    missing = [f"{page} is not there" for page in sorted(pages - set(named))]
    gone = [f"{page} is there, and no such page exists" for page in named if page not in pages]
    twice = [f"{page} is there twice" for page in sorted(set(named)) if named.count(page) > 1]
    return [f"nav of mkdocs.yml: {mistake}" for mistake in missing + gone + twice]


class Staging:
    """The copy of the pages that the site is made of."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self._folder = folder
        self.mistakes: list[str] = []

    def write(self) -> None:
        """Copy all pages, and the files that they lead to."""
        self._folder.mkdir()
        for name, path in sources(self._root).items():
            (self._folder / name).write_text(self._led_inside(path))

    def _led_inside(self, page: Path) -> str:
        """The text of a page whose links lead to places of the site."""
        parts = CODE.split(page.read_text())
        parts[::2] = [
            LINK.sub(lambda match: self._target(page, match[1]), part) for part in parts[::2]
        ]
        return "".join(parts)

    def _target(self, page: Path, link: str) -> str:
        """Where a link of a page leads in the site; a file that it leads to is copied."""
        link, mark, anchor = link.partition("#")
        file = (page.parent / link).resolve()
        where = page.relative_to(self._root)
        if not file.is_relative_to(self._root) or not file.is_file():
            self.mistakes.append(f"{where}: {link} is not a file of this repository")
            return link + mark + anchor
        path = str(file.relative_to(self._root))
        path = PAGES_ELSEWHERE.get(path, path.removeprefix("docs/"))
        if not path.endswith(".md"):
            (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, self._folder / path)
        return path + mark + anchor


def zensical(folder: Path) -> int:
    """Make the site of a folder that holds mkdocs.yml and the copy of the pages."""
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        before_trace = (done.stdout + done.stderr).partition("Traceback")[0]
        print(before_trace, file=sys.stderr)
    return done.returncode


def main() -> int:
    """Build into the folder that the command line names."""
    parser = argparse.ArgumentParser(description="Builds the docs as a site.")
    parser.add_argument("folder", type=Path, help="where the site goes; it is replaced")
    target = parser.parse_args().folder
    config = yaml.safe_load(CONFIG.read_text())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        staging = Staging(ROOT, folder / config["docs_dir"])
        staging.write()
        mistakes = mistakes_of_navigation(config, set(sources(ROOT))) + staging.mistakes
        print("".join(f"{mistake}\n" for mistake in mistakes), end="", file=sys.stderr)
        shutil.copyfile(CONFIG, folder / CONFIG.name)
        for style in config["extra_css"]:
            shutil.copyfile(ROOT / "docs" / style, folder / config["docs_dir"] / style)
        if zensical(folder) or mistakes:
            return 1
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(folder / config["site_dir"], target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
