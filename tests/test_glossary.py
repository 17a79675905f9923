"""The docs keep to the words of docs/glossary.md."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"

#: What is code, and not text: blocks, names, targets of links, headings that are a namespace.
CODE = re.compile(r"<!--.*?-->|```.*?```|`[^`]*`|\]\([^)]*\)|^#+ \w+$", re.DOTALL | re.MULTILINE)
#: A comment of a YAML or Lua file. What is indented further is code.
COMMENT = re.compile(r"(?:^|\s)(?:#|--) (?! )(.*)")
#: Pages that aren't written by hand.
GENERATED = {"regbot.meta.lua"}

ROWS = re.findall(r"^\| ([^|]+) \| [^|]+\. \| ([^|]*)\|$", GLOSSARY.read_text(), re.MULTILINE)
INSTEAD = {
    other.strip(): word for word, others in ROWS for other in others.split(",") if other.strip()
}


def text_of(path):
    """What a file says to a reader, on one line and without code."""
    content = path.read_text()
    if path.suffix != ".md":
        content = "\n".join(COMMENT.findall(content))
    return " ".join(CODE.sub(" ", content).split())


def test_every_row_is_a_word_and_a_sentence():
    table = [line for line in GLOSSARY.read_text().splitlines() if line.startswith("|")]
    assert len(ROWS) == len(table) - 2


@pytest.mark.parametrize(
    "path",
    [
        path
        for folder in (ROOT, ROOT / "docs", ROOT / "examples")
        for path in sorted(folder.iterdir())
        if path.suffix in {".md", ".yml", ".lua"} and path.name not in {GLOSSARY.name, *GENERATED}
    ],
    ids=lambda path: path.name,
)
def test_a_page_keeps_to_the_words_of_the_glossary(path):
    text = text_of(path)
    assert {
        other: f"say {word}"
        for other, word in INSTEAD.items()
        if re.search(rf"\b{re.escape(other)}s?\b", text, re.IGNORECASE)
    } == {}
