"""The processes that scripts run in: how they are started and ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

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


@contextmanager
def started_ahead() -> Iterator[Callable[[], Process]]:
    """Start a process while the config is still being read; gives what takes one.

    The first taker, of any thread, gets that process, and the later ones new ones. It is
    ended with the block unless somebody took it.
    """
    waiting = [start()]

    def take() -> Process:
        try:
            return waiting.pop()
        except IndexError:
            return start()

    try:
        yield take
    finally:
        for process in waiting:
            end(process)


def _plain_environment(environment: Mapping[str, str]) -> dict[str, str]:
    wanted = ("LD_LIBRARY_PATH", "SYSTEMROOT", "TZ")
    kept = {name: environment[name] for name in wanted if name in environment}
    return {"LANG": "C.UTF-8", **kept}
