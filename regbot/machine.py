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


def share_heaps() -> None:
    """Let all threads of this process share a few heaps. Call it before threads begin.

    The C library of Linux gives up to eight heaps to each processor, and none shrinks: in a
    process that goes on for days and begins many threads, each grows to the most that it ever
    held. Other C libraries have no such heaps.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _HEAPS)
