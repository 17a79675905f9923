"""A `regbot server` of the tests: its process, its log, and what it holds of the machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.command import REGBOT, environment

PATIENCE = 120.0
"""Seconds to wait for what has to come."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds: KiB of memory, threads, descriptors, children, and dead ones."""

    memory: int
    threads: int
    descriptors: int
    children: frozenset[int]
    zombies: frozenset[int]


class Server:
    """A server in ``folder``, where a file has its log lines in JSON."""

    def __init__(self, folder: Path, config: Mapping[str, Any], *options: str) -> None:
        self._folder = folder
        self._log = folder / "server.log"
        (folder / "regbot.json").write_text(json.dumps(config))
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [REGBOT, "server", "-c", "regbot.json", "--logopt", "json", *options],
                cwd=folder,
                # Of the environment, the processes of scripts keep little more than this.
                env=environment(folder, LD_LIBRARY_PATH=str(folder)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The whole lines of the log so far."""
        whole = self._log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def wait_for(self, is_there: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Wait until the log has it. Fails if the server ends before."""
        deadline = time.monotonic() + PATIENCE
        while not is_there(self.lines):
            assert self.process.poll() is None, self._log.read_text()[-4000:]
            assert time.monotonic() < deadline, self._log.read_text()[-4000:]
            time.sleep(0.02)

    def end(self, number: signal.Signals) -> int:
        """Send a signal, and wait for the end of the server and of all that it started."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while left := self._processes():
            assert time.monotonic() < deadline, f"left behind: {left}"
            time.sleep(0.02)
        return code

    def _processes(self) -> list[int]:
        """The server and what it started, in whichever session."""
        name = f"={self._folder}\0".encode()
        own = []
        for process in _processes():
            with suppress(OSError):
                if name in (process / "environ").read_bytes():
                    own.append(int(process.name))
        return own

    def held(self) -> Held:
        """What the server holds now."""
        process = Path("/proc", str(self.process.pid))
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        states = {}
        for child in _processes():
            with suppress(OSError):
                state, parent = (child / "stat").read_text().rpartition(") ")[2].split()[:2]
                if int(parent) == self.process.pid:
                    states[int(child.name)] = state
        return Held(
            int(status["VmRSS"].split()[0]),
            int(status["Threads"]),
            len(list((process / "fd").iterdir())),
            frozenset(states),
            frozenset(pid for pid, state in states.items() if state == "Z"),
        )

    def kill(self) -> None:
        """End the server and what it started at once, if they are still there."""
        self.process.kill()
        self.process.wait()
        for left in self._processes():
            with suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)


@contextmanager
def serving(folder: Path, config: Mapping[str, Any], *options: str) -> Iterator[Server]:
    """A server, which is gone at the end of the block with all that it started."""
    server = Server(folder, config, *options)
    try:
        yield server
    finally:
        server.kill()


def _processes() -> list[Path]:
    """The folders of all processes (proc(5))."""
    return [path for path in Path("/proc").iterdir() if path.name.isdigit()]
