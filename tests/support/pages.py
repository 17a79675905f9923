"""The pages of the docs as tests read them: fenced blocks with what stands before each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w+-]*)[^\n]*\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL
)
SAVED = re.compile(r"\b[Ss]ave (?:this|it)[^`]* as `([\w./-]+\.\w+)`")
"""What the line before a block says when the block is to be saved."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. ``follows`` is the language of a block right before it, else empty.

    ``file`` is the name that the line before it says to save it as, or empty.
    """

    page: str
    line: int
    language: str
    text: str
    file: str = ""
    follows: str = ""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """Every page that is read by users, by its path in the repository."""
    names = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in names if path.name != "CHANGELOG.md")


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = (ROOT / page).read_text()
    result: list[Block] = []
    end = 0
    for match in FENCE.finditer(text):
        between = text[end : match.start()]
        before = between.rstrip().rpartition("\n")[2]
        saved = SAVED.search(before)
        block = Block(
            page=page,
            line=text.count("\n", 0, match.start()) + 1,
            language=match["language"],
            text=dedent(match["text"]),
            file=saved[1] if saved else "",
            follows=result[-1].language if result and not between.strip() else "",
        )
        result.append(block)
        end = match.end()
    return result


def commands(text: str) -> list[str]:
    """The commands of a block for the shell, without comments; a long one is one line."""
    joined = text.replace("\\\n", " ")
    lines = (re.sub(r"(^|\s)#\s.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def normal(text: str) -> str:
    """What has to be the same each time. Of a line that is written over, the last is seen."""
    for pattern, stands in (
        (r"(?m)^.*\r(?!\n)", ""),
        (r"\b\d{8}-\d{6}-[0-9a-f]{4}\b", "RUN"),
        (r"\b\d{8}-\d{6}\b", "RUN"),
        (r"\b[0-9a-f]{12,64}\b", "DIGEST"),
        (r"\b\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?(?:\.\d+)?Z?)?", "DATE"),
        (r"\b20\d{6}\b", "DATE"),
        (r"\b\d+(?:\.\d+)? ?m?s\b", "TIME"),
        (r"localhost:\d+", "LOCALHOST"),
        (r"[─━╌-]{3,}", "---"),
        (r"[ \t]+", " "),
        (r" ?\n ?", "\n"),
    ):
        text = re.sub(pattern, stands, text)
    return text.strip() + "\n"
