"""The locked versions: what pyproject.toml asks for, with hashes and without addresses."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
FILES = ("run", "cloud", "build", "dev")
OF_CLOUDS = ("ecr", "gcr")
LINE = re.compile(
    r"(?P<name>[a-z0-9-]+)==(?P<version>[0-9a-z.]+)(?: ; .+?)?(?: --hash=sha256:[0-9a-f]{64})+"
)
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked_lines(file: str) -> list[re.Match[str]]:
    """The lines of a file that are of the one form that all should have."""
    text = (ROOT / "requirements" / f"{file}.txt").read_text()
    lines = re.sub(r" *#.*", "", text).replace("\\\n", " ").splitlines()
    matches = [LINE.fullmatch(" ".join(line.split())) for line in lines if line.strip()]
    return [match for match in matches if match]


def locked(file: str) -> dict[str, str]:
    """Each name with its version; of several, each for some Pythons, the newest Python's."""
    return {match["name"]: match["version"] for match in locked_lines(file)}


def asked_for(file: str) -> Iterator[Requirement]:
    if file != "build":
        yield from map(Requirement, PYPROJECT["project"]["dependencies"])
        for name, extra in PYPROJECT["project"]["optional-dependencies"].items():
            if file != "run" or name not in OF_CLOUDS:
                yield from map(Requirement, extra)
    if file not in ("run", "cloud"):
        yield from group(file)


def group(name: str) -> Iterator[Requirement]:
    for entry in PYPROJECT["dependency-groups"][name]:
        if isinstance(entry, dict):
            yield from group(entry["include-group"])
        else:
            yield Requirement(entry)


@pytest.mark.parametrize("file", FILES)
def test_a_locked_file_holds_what_pyproject_asks_for(file):
    versions = locked(file)
    unfit = [
        str(asked)
        for asked in asked_for(file)
        if versions.get(canonicalize_name(asked.name), "0") not in asked.specifier
    ]
    assert unfit == [], f"run scripts/lock {' '.join(unfit)}"


@pytest.mark.parametrize("file", FILES)
def test_every_line_is_one_version_with_its_hashes(file):
    text = (ROOT / "requirements" / f"{file}.txt").read_text()
    assert len(locked_lines(file)) == len(re.findall(r"^[^#\s]", text, re.MULTILINE))


@pytest.mark.parametrize("file", FILES)
def test_no_address_and_no_folder_is_in_a_locked_file(file):
    text = (ROOT / "requirements" / f"{file}.txt").read_text()
    assert not re.search(r"://|^-|--(?!hash)|\s/", text, re.MULTILINE)


@pytest.mark.parametrize("file", ["run", "cloud", "build"])
def test_development_has_the_versions_that_are_run(file):
    assert locked(file).items() <= locked("dev").items()


def test_the_libraries_of_clouds_are_in_a_file_of_their_own():
    assert {"botocore", "google-auth"} <= locked("cloud").keys() - locked("run").keys()
    assert locked("run").items() <= locked("cloud").items()


def test_the_backend_is_locked_for_building_offline():
    backends = map(Requirement, PYPROJECT["build-system"]["requires"])
    assert all(locked("build")[backend.name] in backend.specifier for backend in backends)
