"""Runs a credential helper: ``get``, with the host on standard input.

What a helper prints is a secret, so no error quotes it.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
from collections.abc import Mapping
from typing import IO

from regbot.errors import CredentialError
from regbot.http.hosts import IDENTITY_USER, Login, Secret
from regbot.stopping import Clock, Stop
from regbot.units import format_duration
from regbot.values import dataclass

HELPER_TIMEOUT = 30.0
_LARGEST = 1024 * 1024
_POLL = 0.1
_UNKNOWN = b"credentials not found in native keychain"


@dataclass(frozen=True, slots=True)
class Helper:
    """A helper program, the environment it runs in, and seconds it may take."""

    program: str
    environ: Mapping[str, str]
    clock: Clock
    timeout: float = HELPER_TIMEOUT

    def ask(self, key: str, stop: Stop) -> Login | None:
        """What the helper knows of a host; None when it says it knows nothing.

        Raises CredentialError that names the helper, or what the Stop says.
        """
        from shutil import which

        path = which(self.program, path=self.environ.get("PATH"))
        if path is None:
            raise CredentialError(
                f"credential helper {self.program} is not installed: no such program in PATH"
            )
        status, output = self._run(path, key, stop)
        if status != 0 and _UNKNOWN in output:
            return None
        if status != 0:
            raise CredentialError(
                f"credential helper {self.program} failed for {key} (exit status {status})"
            )
        return self._parse(output, key)

    def _run(self, path: str, key: str, stop: Stop) -> tuple[int, bytes]:
        try:
            process = subprocess.Popen(  # noqa: S603
                [path, "get"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(self.environ),
                start_new_session=True,
            )
        except OSError as error:
            raise CredentialError(
                f"credential helper {self.program} can't be run: {error.strerror}"
            ) from None
        with process:
            try:
                return self._talk(process, key, stop)
            except BaseException:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise

    def _talk(self, process: subprocess.Popen[bytes], key: str, stop: Stop) -> tuple[int, bytes]:
        assert process.stdin  # noqa: S101
        assert process.stdout  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(key.encode())
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
        output = b""
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while True:
                self._check(deadline, stop)
                if not selector.select(_POLL):
                    continue
                chunk = os.read(stdout.fileno(), 65536)
                output += chunk
                if not chunk:
                    return output
                if len(output) > _LARGEST:
                    raise CredentialError(
                        f"credential helper {self.program} printed too much output"
                    )

    def _check(self, deadline: float, stop: Stop) -> None:
        stop.check()
        if self.clock() >= deadline:
            raise CredentialError(
                f"credential helper {self.program} did not answer "
                f"within {format_duration(self.timeout)}"
            )

    def _parse(self, output: bytes, key: str) -> Login:
        try:
            data = json.loads(output)
        except (ValueError, RecursionError):
            data = None
        user = data.get("Username", "") if isinstance(data, dict) else None
        secret = data.get("Secret", "") if isinstance(data, dict) else None
        if not isinstance(user, str) or not isinstance(secret, str):
            raise CredentialError(
                f"credential helper {self.program} printed no credentials for {key} "
                "(JSON with Username and Secret is needed)"
            )
        if user == IDENTITY_USER:
            return Login(identity_token=Secret(secret))
        return Login(user, Secret(secret))
