"""Runs a program that the user named: no shell, a deadline, and a limit on what it prints."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from regbot.errors import ProgramFailed
from regbot.stopping import Clock, Stop
from regbot.units import format_duration
from regbot.values import dataclass

_LARGEST = 1024 * 1024
_POLL = 0.1


@dataclass(frozen=True, slots=True)
class Program:
    """A program with its arguments, and how it is run.

    It has ``timeout`` seconds and may print ``largest`` bytes. It runs in ``folder``, None
    is the current one. What it writes to its standard error is thrown away.
    """

    arguments: tuple[str, ...]
    environ: Mapping[str, str]
    timeout: float
    largest: int = _LARGEST
    folder: Path | None = None
    clock: Clock = time.monotonic

    def run(self, stop: Stop, typed: bytes = b"") -> tuple[int, bytes]:
        """Run it with ``typed`` on its standard input; its exit status and what it printed.

        At the end of its time it is killed, with all that it started. Raises ProgramFailed,
        whose text goes on after the program's name and quotes nothing that was printed, and
        what the Stop says.
        """
        try:
            process = subprocess.Popen(  # noqa: S603
                self.arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(self.environ),
                cwd=self.folder,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "its name is not valid"
            raise ProgramFailed(f"can't be run: {why}") from None
        with process:
            try:
                return self._talk(process, stop, typed)
            except BaseException:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise

    def _talk(
        self, process: subprocess.Popen[bytes], stop: Stop, typed: bytes
    ) -> tuple[int, bytes]:
        assert process.stdin  # noqa: S101
        assert process.stdout  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(typed)
            process.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        deadline = self.clock() + self.timeout
        output = self._read(process.stdout, deadline, stop)
        while (status := process.poll()) is None:
            self._check(deadline, stop)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL)
        return status, output

    def _read(self, stdout: IO[bytes], deadline: float, stop: Stop) -> bytes:
        output = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while True:
                self._check(deadline, stop)
                if not selector.select(_POLL):
                    continue
                chunk = os.read(stdout.fileno(), 65536)
                output += chunk
                if not chunk:
                    return bytes(output)
                if len(output) > self.largest:
                    raise ProgramFailed("printed too much output")

    def _check(self, deadline: float, stop: Stop) -> None:
        stop.check()
        if self.clock() >= deadline:
            raise ProgramFailed(f"did not answer within {format_duration(self.timeout)}")
