"""What a command costs: time, processor, memory, and the requests it sends.

A new process takes over its parent's peak of memory, so each command is begun by a small
Python of its own, and not by the large one of the bench.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_LAUNCHER = """
import json, os, signal, subprocess, sys, time
begun = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE)
signal.signal(signal.SIGTERM, lambda *_: process.terminate())
said = process.stderr.read().decode(errors="replace")
_, status, usage = os.wait4(process.pid, 0)
wall = time.perf_counter() - begun
print(json.dumps({"code": os.waitstatus_to_exitcode(status), "said": said[-4000:], "wall": wall,
                  "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss}))
"""


class CommandError(Exception):
    """A command that was to be measured failed; the text is the last line it wrote."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of wall clock and of processor, KiB at the peak, and requests by method.

    Processor is user and system time of the process and all that it started. The peak is
    that of the largest of these processes. Requests are None where nobody counts them.
    """

    wall: float
    cpu: float
    peak: int
    requests: Mapping[str, int] | None = None

    def __add__(self, other: Cost) -> Cost:
        """The cost of two commands, one after the other."""
        return Cost(
            self.wall + other.wall,
            self.cpu + other.cpu,
            max(self.peak, other.peak),
            Counter(self.requests) + Counter(other.requests),
        )


def measure(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Cost:
    """Run a command to its end in ``folder``; its requests are not counted here.

    Raises CommandError when it fails.
    """
    with begun(command, environment, folder) as launcher:
        return cost_of(launcher)


@contextmanager
def begun(
    command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A command that runs in ``folder``; SIGTERM is handed on to it. Killed on an error."""
    launcher = subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", _LAUNCHER, *command],
        env=dict(environment),
        cwd=folder,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield launcher
    except BaseException:
        os.killpg(launcher.pid, signal.SIGKILL)
        launcher.wait()
        raise


def cost_of(launcher: subprocess.Popen[bytes]) -> Cost:
    """What a command needed, once it has ended. Raises CommandError when it failed."""
    output, _ = launcher.communicate()
    result = json.loads(output)
    if result["code"]:
        lines = [line for line in result["said"].splitlines() if line.strip()]
        raise CommandError(lines[-1] if lines else f"exit code {result['code']}")
    return Cost(result["wall"], result["cpu"], result["peak"])


def middle(costs: Sequence[Cost]) -> Cost:
    """The median of each figure; the peak is the highest."""
    counts = [cost.requests for cost in costs if cost.requests is not None]
    return Cost(
        median(cost.wall for cost in costs),
        median(cost.cpu for cost in costs),
        max(cost.peak for cost in costs),
        {
            method: round(median(count.get(method, 0) for count in counts))
            for method in sorted({method for count in counts for method in count})
        }
        if counts
        else None,
    )
