"""The processes that scripts run in: how they are started and ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from threading import Lock
from types import TracebackType
from typing import Self

Process = subprocess.Popen[bytes]


def start() -> Process:
    """A process that waits for a script on its standard input."""
    return subprocess.Popen(
        [sys.executable, "-I", "-m", "regbot.lua.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_plain_environment(os.environ),
        start_new_session=True,
    )


def end(process: Process) -> None:
    """Kill a process, whatever it does, and close its streams."""
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        with suppress(BrokenPipeError):
            if stream:
                stream.close()


class StartedAhead:
    """One process that starts while the config is still being read; threads share it.

    It is ended with the ``with`` block, unless a script took it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: Process | None = start()

    def take(self) -> Process:
        """The process; for the scripts after the first, a new one."""
        with self._lock:
            process, self._process = self._process, None
        return process or start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process:
            end(self._process)


def _plain_environment(environment: Mapping[str, str]) -> dict[str, str]:
    wanted = ("LD_LIBRARY_PATH", "SYSTEMROOT", "TZ")
    kept = {name: environment[name] for name in wanted if name in environment}
    return {"LANG": "C.UTF-8", **kept}
