"""Deletion under faults, by machine, on every preset of the registry of the tests."""

from __future__ import annotations

from functools import partial

import pytest
from support.inprocess import Memory, one_thread
from support.machine import RUNS, try_deletion
from support.registry import PRESETS


@pytest.mark.parametrize("preset", PRESETS)
def test_deletion(preset: str) -> None:
    """No tag but the asked one changes, no kept index lacks a child, all can be undone."""
    with one_thread():
        try_deletion(partial(Memory, PRESETS[preset]), runs=RUNS // len(PRESETS))
