"""Where the time of a run went, from its events and the clocks of its processes."""

from __future__ import annotations

import resource
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from threading import Lock

from regbot.events import Delayed, Event, Exchanged, Journalled, Spared

COLUMNS = ("where", "seconds", "what")

Cpu = Callable[[], tuple[float, float]]
"""Seconds of CPU so far: those of regbot itself, and those of the processes it waited for."""


def used_cpu() -> tuple[float, float]:
    """The CPU seconds of this process and of its children that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    regbot, children = (usage.ru_utime + usage.ru_stime for usage in usages)
    return regbot, children


class Profile:
    """A listener that adds up seconds and requests; threads share it.

    Requests that are under way at the same time count each with all their seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, cpu: Cpu = used_cpu) -> None:
        self._clock = clock
        self._cpu = cpu
        self._began = clock()
        self._cpu_before = cpu()
        self._lock = Lock()
        self._answered: dict[str, float] = defaultdict(float)
        self._requests: Counter[str] = Counter()
        self._delayed: dict[tuple[str, str], float] = defaultdict(float)
        self._delays: Counter[tuple[str, str]] = Counter()
        self._spared: Counter[str] = Counter()
        self._entries = 0
        self._journalled = 0.0

    def __call__(self, event: Event) -> None:
        """Count an event."""
        with self._lock:
            match event:
                case Exchanged():
                    self._answered[event.host] += event.seconds
                    self._requests[event.host] += 1
                case Delayed():
                    self._delayed[event.host, event.why] += event.seconds
                    self._delays[event.host, event.why] += 1
                case Journalled():
                    self._entries += event.entries
                    self._journalled += event.seconds
                case Spared():
                    self._spared[event.by] += 1

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """The cells of a table, by ``COLUMNS``; the last row is the whole run."""
        regbot, scripts = (
            now - before for now, before in zip(self._cpu(), self._cpu_before, strict=True)
        )
        wall = self._clock() - self._began
        with self._lock:
            for host, seconds in sorted(self._answered.items()):
                yield host, _short(seconds), f"requests: {self._requests[host]}"
            for (host, why), seconds in sorted(self._delayed.items()):
                yield (
                    host,
                    _short(seconds),
                    f"waits before a request: {self._delays[host, why]} ({why})",
                )
            if self._entries:
                yield "disk", _short(self._journalled), f"entries of the journal: {self._entries}"
            for by, count in sorted(self._spared.items()):
                yield by, "", f"requests spared: {count}"
        yield "regbot", _short(regbot), "CPU of regbot itself"
        yield "scripts", _short(scripts), "CPU of the scripts' processes and of helpers"
        yield "all", _short(wall), "from the start to the end"


def _short(seconds: float) -> str:
    return f"{seconds:.2f}"
