"""Names of files in scripts stay in their folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from regbot.errors import InvalidValue
from regbot.workdir import file_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    (work / "sub").mkdir(parents=True)
    (tmp_path / "work-not").mkdir()
    (work / "out").symlink_to(tmp_path)
    (work / "leaf").symlink_to(tmp_path / "secret")
    (work / "inside").symlink_to(work / "sub")
    (work / "loop").symlink_to(work / "loop")
    return work


@pytest.mark.parametrize(
    ("text", "leads_to"),
    [
        ("a.tar", "a.tar"),
        ("./a.tar", "a.tar"),
        ("sub/a.tar", "sub/a.tar"),
        ("new/a.tar", "new/a.tar"),
        ("sub/../a.tar", "a.tar"),
        ("inside/a.tar", "sub/a.tar"),
        ("..a.tar", "..a.tar"),
        ("a b;$(x).tar", "a b;$(x).tar"),
    ],
)
def test_names_within_the_folder_are_files_of_it(folder, text, leads_to) -> None:
    assert file_in(folder, text) == folder / leads_to


def test_an_absolute_name_within_the_folder_is_fine(folder) -> None:
    assert file_in(folder, str(folder / "a.tar")) == folder / "a.tar"


@pytest.mark.parametrize(
    "text",
    [
        "../a.tar",
        "sub/../../a.tar",
        "/etc/passwd",
        "../work-not/a.tar",
        "out/a.tar",
        "out/work-not/a.tar",
        "inside/../../a.tar",
        "leaf",
    ],
)
def test_names_that_lead_out_are_refused(folder, text) -> None:
    with pytest.raises(InvalidValue, match="leads out of workDir"):
        file_in(folder, text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("  ", "empty"),
        (".", "folder"),
        ("sub", "folder"),
        ("sub/../", "folder"),
        ("new/", "folder"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("loop", "can't be followed"),
        ("loop/a.tar", "can't be followed"),
    ],
)
def test_what_is_no_file_name_is_refused(folder, text, why) -> None:
    with pytest.raises(InvalidValue, match=why):
        file_in(folder, text)


def test_a_folder_that_is_reached_by_a_link_is_as_good(tmp_path, folder) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert file_in(tmp_path / "link", "a.tar") == folder / "a.tar"
