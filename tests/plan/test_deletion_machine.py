"""Deletion under faults, by machine, on every preset of the registry of the tests."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from support.deleting import Lab, Trouble
from support.images import Image
from support.inprocess import Memory, one_thread
from support.machine import DIGEST, PLAIN, RUNS, TAG, try_deletion
from support.registry import PRESETS, Fault

from regbot.store.placeholder import taking_away


@pytest.mark.parametrize("preset", PRESETS)
def test_deletion(preset: str) -> None:
    """No tag but the asked one changes, no kept index lacks a child, all can be undone."""
    with one_thread():
        try_deletion(partial(Memory, PRESETS[preset]), runs=RUNS // len(PRESETS))


def test_a_placeholder_that_only_a_stale_answer_shows(tmp_path: Path) -> None:
    """Found by the machine: the tag was said to be deleted, and was still there."""
    world = Memory(PRESETS["distribution 3"])
    lab = Lab(world, tmp_path)
    world.fill("a", PLAIN)
    placeholder = taking_away(PLAIN.manifest)
    world.fill("a", Image(placeholder.manifest, blobs=placeholder.blobs))
    world.move("a", str(PLAIN.digest))
    stale = Fault("stale", "HEAD", TAG, times=1)
    with one_thread():
        lab.delete_tag("a", "digest", Trouble((stale,)))
    assert lab.tags == []


def test_the_undo_of_a_delete_of_a_tag_on_a_placeholder(tmp_path: Path) -> None:
    """Found by the machine: the placeholder was kept for the undo, and put back."""
    lab = Lab(Memory(PRESETS["distribution 2"]), tmp_path)
    lab.world.fill("b", PLAIN)
    refused = (
        Fault("status", "DELETE", DIGEST, after=1, times=100, status=403),
        Fault("status", "PUT", TAG, after=1, times=100, status=403),
    )
    with one_thread():
        lab.delete_tag("b", "listed", Trouble(refused))
        lab.delete_tag("b", "digest")
        assert lab.tags == []
        lab.undo(lab.runs[-1])
    assert lab.facts.tags["b"] == str(PLAIN.digest)
