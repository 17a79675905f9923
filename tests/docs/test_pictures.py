"""The pictures of the docs show regbot as it is."""

from __future__ import annotations

import sys

import pytest
from support.pages import ROOT

sys.path.insert(0, str(ROOT / "scripts"))

import make_pictures

PICTURES = ROOT / "docs" / "pictures"


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> make_pictures.Pictures:
    return make_pictures.take(tmp_path_factory.mktemp("pictures"))


def test_the_terminal_is_as_in_its_picture(taken):
    shown = make_pictures.essence((PICTURES / "terminal.svg").read_text())
    assert shown == make_pictures.essence(taken.terminal), "run scripts/pictures"


def test_the_report_is_as_in_its_picture(taken):
    made_of = (PICTURES / "report.sha256").read_text().strip()
    assert made_of == make_pictures.fingerprint(taken.report), "run scripts/pictures"


def test_a_picture_is_small_and_asks_no_other_host():
    for picture in PICTURES.iterdir():
        assert picture.stat().st_size < 150_000, picture.name
    svg = (PICTURES / "terminal.svg").read_text()
    assert svg.count("://") == 1, "only that of the namespace"
