"""The machine that regbot runs on, as the system describes it."""

from __future__ import annotations

import ctypes
import platform
from contextlib import suppress
from functools import cache
from pathlib import Path

from regbot.values import dataclass

_CPU_INFO = Path("/proc/cpuinfo")
_ENOUGH = 64 * 1024
"""Characters that hold the first processor."""
_M_ARENA_MAX = -8
"""The parameter of ``mallopt(3)`` for the most heaps at a time."""
_HEAPS = 2
_M_MMAP_THRESHOLD = -3
"""That for the bytes from which on a piece of memory is in no heap."""
_LARGE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine, in the words of its system.

    ``system`` is for example ``Linux`` or ``Windows``, ``processor`` ``x86_64`` or
    ``AMD64``, and ``version`` the version of the system, such as ``10.0.17763`` on
    Windows. ``features`` are the processor's flags as Linux names them; empty if unknown.
    """

    system: str
    processor: str
    version: str = ""
    features: frozenset[str] = frozenset()


@cache
def this_machine() -> Machine:
    """The machine that regbot runs on."""
    return Machine(platform.system(), platform.machine(), platform.version(), _features())


def _features() -> frozenset[str]:
    with suppress(OSError), _CPU_INFO.open(encoding="utf-8", errors="replace") as lines:
        for line in lines.read(_ENOUGH).splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "flags":
                return frozenset(value.split())
    return frozenset()


def keep_heaps_small() -> None:
    """Let all threads of this process share a few heaps, and keep what is large out of them.

    Call it before threads begin. The C library of Linux gives up to eight heaps to each
    processor, and none shrinks: each grows to the most that it ever held. After the first
    large piece of memory is given back, such as an ``index.json`` as it was read, the next
    ones are put in a heap as well. Other C libraries have no such heaps.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_ARENA_MAX, _HEAPS)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
