"""Runs a credential helper, as docker does: ``get``, ``store`` and ``erase``.

What a helper prints is a secret, so no error quotes it, and what it is told goes to its
standard input alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from regbot.errors import CredentialError, ProgramFailed
from regbot.http.hosts import IDENTITY_USER, Login, Secret
from regbot.http.standins import STAND_INS, UNKNOWN, reason
from regbot.programs import Program
from regbot.stopping import Clock, Stop
from regbot.values import dataclass

HELPER_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Helper:
    """A helper program, the environment it runs in, and seconds it may take.

    What it can't do is a CredentialError that names it.
    """

    program: str
    environ: Mapping[str, str]
    clock: Clock
    timeout: float = HELPER_TIMEOUT

    def ask(self, key: str, stop: Stop) -> Login | None:
        """What the helper knows of a host; None when it says it knows nothing.

        Raises CredentialError, or what the Stop says.
        """
        output = self._run("get", key, key, stop)
        return None if output is None else self._parse(output, key)

    def store(self, key: str, login: Login, stop: Stop) -> None:
        """Have the helper keep a user and password, or an identity token. Raises as ``ask``."""
        user, secret = login.user, login.password
        if login.identity_token:
            user, secret = IDENTITY_USER, login.identity_token
        told = {"ServerURL": key, "Username": user, "Secret": secret.reveal()}
        self._run("store", key, json.dumps(told), stop)

    def erase(self, key: str, stop: Stop) -> bool:
        """Have the helper forget a host; False when it says it knows nothing. Raises as ``ask``."""
        return self._run("erase", key, key, stop) is not None

    def _run(self, what: str, key: str, typed: str, stop: Stop) -> bytes | None:
        """What the helper prints when it is told to do something about a host."""
        from shutil import which

        path = which(self.program, path=self.environ.get("PATH"))
        arguments = (path,) if path else self._stand_in()
        program = Program((*arguments, what), self.environ, self.timeout, clock=self.clock)
        try:
            status, output = program.run(stop, typed.encode())
        except ProgramFailed as error:
            raise CredentialError(f"credential helper {self.program} {error}") from None
        if status != 0 and UNKNOWN.encode() in output:
            return None
        if status != 0:
            failed = "failed" if what == "get" else f"failed to {what} the login"
            why = "" if path else reason(output)
            raise CredentialError(
                f"credential helper {self.program} {failed} for {key}"
                f" ({f'regbot stands in for it: {why}' if why else f'exit status {status}'})"
            )
        return output

    def _stand_in(self) -> tuple[str, ...]:
        """What runs regbot's own module in place of the program. Raises CredentialError."""
        stand_in = STAND_INS.get(self.program)
        if stand_in and stand_in.is_installed:
            return stand_in.arguments
        missing = f"credential helper {self.program} is not installed: no such program in PATH"
        if stand_in:
            missing += f" (install it, or what regbot needs to do without: {stand_in.remedy})"
        raise CredentialError(missing)

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
