"""Scripts have their layout folders below ``workDir``, for reading and for writing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command import regbot
from support.images import make_image, push

from regbot.oci.reference import Reference
from regbot.store.ocidir import OciDirStore

SCRIPT = """
local found = {}
for _, to in ipairs({"images/new", "above/new", "../new", args.outside, "link/new"}) do
  local ok, why = pcall(image.copy, "ocidir://images/old:v1", "ocidir://" .. to .. ":v1")
  found[#found + 1] = ok and "copied" or why
end
local ok, why = pcall(tag.ls, "ocidir://" .. args.outside .. "/old")
found[#found + 1] = ok and "read" or why
return found
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A current folder with an image in ``images/old``, and one outside of it."""
    current = tmp_path / "current"
    for folder in (current / "images" / "old", tmp_path / "outside" / "old"):
        push(OciDirStore(Reference.parse(f"ocidir://{folder}")), make_image(), "v1")
    (current / "link").symlink_to(tmp_path / "outside")
    (current / "bot.yml").write_text("scripts: []")
    (current / "bound.yml").write_text("{defaults: {workDir: images}, scripts: []}")
    return current


def run(place: Path, config: str, *flags: str) -> list[str]:
    outside = place.parent / "outside"
    command = ["run", "-e", SCRIPT, "-c", config, "--json", "--arg", f"outside={outside}", *flags]
    done = regbot(*command, home=place, cwd=place)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
def test_by_default_they_are_below_the_current_folder(place, flags):
    first, second, *others = run(place, "bot.yml", *flags)
    assert (first, second) == ("copied", "copied")
    for why in others:
        assert f"leads out of workDir, {place} (set workDir" in why
    assert not (place.parent / "new").exists()
    assert not (place.parent / "outside" / "new").exists()


def test_with_work_dir_they_start_at_the_current_folder_still(place):
    first, second, *others = run(place, "bound.yml")
    assert first == "copied"
    assert f"layout folder 'above/new' leads out of workDir, {place}/images" in second
    assert len([why for why in others if "leads out of workDir" in why]) == 4
