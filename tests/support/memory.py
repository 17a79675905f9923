"""How much memory a command needs at its peak.

A new process takes over its parent's peak, so the command is begun by a small
Python of its own, and not by the tests' large one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LAUNCHER = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                      stderr=subprocess.PIPE)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
said = done.stderr.decode(errors="replace")
print(json.dumps({"code": done.returncode, "said": said, "kibibytes": peak}))
"""


@dataclass(frozen=True, slots=True)
class Measured:
    code: int
    said: str
    kibibytes: int


def measure(command: Sequence[str], environment: Mapping[str, str]) -> Measured:
    """Run a command to its end; its peak counts the processes it waited for."""
    launcher = [sys.executable, "-S", "-E", "-c", _LAUNCHER, *command]
    done = subprocess.run(
        launcher, capture_output=True, check=True, env=dict(environment), timeout=300
    )
    return Measured(**json.loads(done.stdout))


def own_peak() -> int:
    """KiB that this process had at its peak, without what its parent had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
