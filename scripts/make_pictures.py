"""Makes the pictures of the docs from a real run on a docker-registry.

``terminal.svg`` is what a plan shows on a terminal. ``report.png`` is the HTML
report of the plan as a browser shows it; since no two browsers draw alike, ``report.sha256``
holds what it was made of, and tests compare that.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import demo_images
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text
from support.pages import normal
from support.servers import docker_registry, program
from support.walkthrough import COLUMNS, Walk, page_environment

from regbot.http.hosts import HostSettings

CONFIG = """\
version: 1
creds:
  - {{registry: registry.example.org, hostname: "{host}", tls: disabled}}
scripts:
  - name: old builds
    repositories: {{registry: registry.example.org, match: [team/api, team/web]}}
    retention:
      keep:
        - {{tags: ["nightly-*"], newer: {{than: 30d}}}}
        - {{tags: ["pr-*"], newer: {{than: 14d}}}}
      delete: [{{tags: ["nightly-*", "pr-*"]}}]
"""
ROW, COLUMN, MARGIN = 19, 8.4, 14
"""Points of a row of text, of a letter, and around the text."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """``terminal`` is SVG, ``report`` the HTML that a browser makes a picture of."""

    terminal: str
    report: str


def take(folder: Path) -> Pictures:
    """Run regbot in a folder of its own, on a registry that is filled for it."""
    with _walk(folder) as walk:
        seen = _seen(walk, "regbot plan")
        _seen(walk, "regbot plan --report report.html")
        report = (walk.folder / "report.html").read_text()
        return Pictures(drawn(f"$ regbot plan\n{seen.rstrip()}"), report)


@contextmanager
def _walk(folder: Path) -> Iterator[Walk]:
    with docker_registry(folder / "registry") as registry:
        host = HostSettings(registry.host, tls="disabled")
        demo_images.push(host, demo_images.REPOSITORIES, datetime.now(UTC))
        (folder / "home").mkdir()
        walk = Walk(folder / "home", page_environment(folder / "home") | {"TERM": "xterm"}, {})
        walk.save("regbot.yml", CONFIG.format(host=registry.host))
        yield walk


def _seen(walk: Walk, command: str) -> str:
    """What a command that succeeds prints as its result; its log is left out."""
    code, seen = walk.run(f"{command} 2>log", escapes=True)
    if code:
        raise RuntimeError((walk.folder / "log").read_text())
    return str(seen)


def drawn(seen: str) -> str:
    """What a terminal shows, with the codes of its colours, as SVG."""
    console = Console(width=200, force_terminal=True, color_system="standard")
    rows = seen.splitlines()
    width = round(COLUMNS * COLUMN + 2 * MARGIN)
    height = len(rows) * ROW + 2 * MARGIN
    lines = [
        f'<text x="{MARGIN}" y="{MARGIN + ROW * number - 5}">{_spans(row, console)}</text>'
        for number, row in enumerate(rows, start=1)
    ]
    text, ground = SVG_EXPORT_THEME.foreground_color.hex, SVG_EXPORT_THEME.background_color.hex
    frame = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
    letters = f'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" fill="{text}"'
    return "\n".join(
        [
            f'<svg {frame} width="{width}" height="{height}">',
            f'<rect width="100%" height="100%" rx="6" fill="{ground}"/>',
            f'<g {letters} font-size="14">',
            *lines,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _spans(row: str, console: Console) -> str:
    segments = Text.from_ansi(row).render(console)
    return "".join(_span(segment.text, segment.style) for segment in segments)


def _span(text: str, style: Style | None) -> str:
    shown = escape(text.strip("\n"), quote=False).replace(" ", "\N{NO-BREAK SPACE}")
    looks = ""
    if style and style.bold:
        looks += ' font-weight="bold"'
    if style and style.color and not style.color.is_default:
        looks += f' fill="{style.color.get_truecolor(SVG_EXPORT_THEME).hex}"'
    return f"<tspan{looks}>{shown}</tspan>" if looks else shown


def essence(text: str) -> list[str]:
    """What is the same in each run: no ids, dates and times, and the rows in any order."""
    lines: str = normal(re.sub(r' (?:y|width|height|viewBox|data-value)="[^"]*"', "", text))
    return sorted(lines.splitlines())


def fingerprint(report: str) -> str:
    """What the picture of a report was made of."""
    return hashlib.sha256("\n".join(essence(report)).encode()).hexdigest()


def photograph(report: str, folder: Path, picture: Path) -> None:
    """A picture of a report in a browser."""
    page = folder / "report.html"
    page.write_text(report)
    options = [
        *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
        f"--user-data-dir={folder / 'browser'}",
        "--window-size=1080,1080",
        f"--screenshot={picture.resolve()}",
    ]
    command = [program("chromium"), *options, page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def main() -> None:
    """Write all pictures into a folder."""
    parser = argparse.ArgumentParser(description="Makes the pictures of the docs.")
    parser.add_argument("folder", type=Path)
    target = parser.parse_args().folder
    folder = Path(tempfile.mkdtemp())
    try:
        pictures = take(folder)
        (target / "terminal.svg").write_text(pictures.terminal)
        photograph(pictures.report, folder, target / "report.png")
        (target / "report.sha256").write_text(fingerprint(pictures.report) + "\n")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
