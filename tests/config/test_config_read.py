"""Files and standard input, and what can be wrong with them."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from regbot.config.load import MAX_BYTES, read_config
from regbot.config.values import Config
from regbot.errors import ConfigError

GOOD = b"scripts: [{name: a, file: a.lua}]\n"


def read(path: str | Path, stdin: bytes = b"") -> Config:
    return read_config(str(path), environ={}, stdin=io.BytesIO(stdin))


def problem(path: str | Path, stdin: bytes = b"") -> str:
    with pytest.raises(ConfigError) as caught:
        read(path, stdin)
    (line,) = caught.value.problems
    return line


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "a.lua").write_bytes(b"x()")
    (tmp_path / "bot.yml").write_bytes(GOOD)
    return tmp_path


def test_a_file_is_read_and_names_count_from_its_folder(folder):
    assert read(folder / "bot.yml").scripts[0].text == b"x()"


def test_standard_input_counts_from_the_working_directory(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert read("-", GOOD).scripts[0].text == b"x()"
    assert problem("-", b"version: 2") == (
        "(standard input):1:10: version: version 2 is newer than this regbot knows"
        " (write version: 1)"
    )


def test_a_missing_file(tmp_path):
    path = tmp_path / "none.yml"
    assert problem(path) == f"{path}: there is no such file (check the name after -c)"


def test_a_directory(tmp_path):
    assert problem(tmp_path) == f"{tmp_path}: this is a folder (name the YAML file in it)"


def test_an_empty_file(tmp_path):
    path = tmp_path / "bot.yml"
    path.touch()
    assert problem(path) == f"{path}:1:1: the file is empty (it needs at least scripts)"


def test_a_binary_file(tmp_path):
    path = tmp_path / "bot.yml"
    path.write_bytes(b"\x7fELF\x00\x01")
    assert problem(path) == f"{path}:1:1: control character U+007F (is it a YAML file?)"


def test_an_unreadable_file(tmp_path):
    path = tmp_path / "loop.yml"
    path.symlink_to(path)
    assert problem(path).startswith(f"{path}: can't read the file: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="the super-user may read everything")
def test_a_file_without_permission(folder):
    path = folder / "bot.yml"
    path.chmod(0)
    assert problem(path).startswith(f"{path}: can't read the file: ")


def test_a_name_no_file_can_have():
    assert "its name is not valid" in problem("a\0b").replace("embedded null byte", "")


def test_a_huge_stream_is_cut_off():
    assert problem("-", b"#" * (MAX_BYTES + 1)) == (
        "(standard input): it is larger than 16MiB (is it the right file?)"
    )
