"""The page on messages has texts that regbot prints, as the snapshots beside this file show."""

import re
from pathlib import Path

import pytest

from regbot.store.registries import KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text()
HEADINGS = re.findall(r"^### `(.+)`$", PAGE, re.MULTILINE)
PRINTED = [path.read_text() for path in Path(__file__).parent.glob("__snapshots__/*/*.txt")]


def test_every_section_is_about_a_message():
    assert len(HEADINGS) == PAGE.count("\n### ")
    assert len(set(HEADINGS)) == len(HEADINGS)


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_message_of_the_page_is_one_that_is_printed(heading):
    pattern = ".*".join(map(re.escape, heading.split("...")))
    assert [text for text in PRINTED if re.search(pattern, text)]


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.enable], ids=lambda kind: kind.name
)
def test_how_deletes_are_switched_on_is_on_the_page(kind):
    assert f"| {kind.name} | {kind.enable} |" in PAGE.replace("`", "")
