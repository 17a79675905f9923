"""Runs a credential helper: ``get``, with the host on standard input.

What a helper prints is a secret, so no error quotes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from regbot.errors import CredentialError, ProgramFailed
from regbot.http.hosts import IDENTITY_USER, Login, Secret
from regbot.programs import Program
from regbot.stopping import Clock, Stop
from regbot.values import dataclass

HELPER_TIMEOUT = 30.0
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
        program = Program((path, "get"), self.environ, self.timeout, clock=self.clock)
        try:
            return program.run(stop, key.encode())
        except ProgramFailed as error:
            raise CredentialError(f"credential helper {self.program} {error}") from None

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
