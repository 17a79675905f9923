"""What a process does with the memory of its machine."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_COUNT, _LARGE = 20, 2 * 1024 * 1024
_PROGRAM = f"""
import resource
from pathlib import Path
from regbot.machine import keep_heaps_small

def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

keep_heaps_small()
read_whole = b"x" * (8 * {_LARGE})
del read_whole
before = held()
pieces = [(b"x" * {_LARGE}, bytearray(1000)) for _ in range({_COUNT})]
left = [small for _, small in pieces]
del pieces
print(held() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of the C library of Linux")
def test_large_pieces_of_memory_are_given_back_whatever_small_ones_are_kept() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], check=True, capture_output=True)
    assert int(done.stdout) < _COUNT * _LARGE // 4
