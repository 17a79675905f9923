"""Stands in for the credential helpers of clouds, where their programs are not installed.

A stand-in is a module of regbot that is run as a process of its own and speaks as a helper
does. So a library that asks a cloud is ended in time like any program, sees the environment
it is meant to see, and takes no memory from the bot.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.util import find_spec

from regbot.redaction import printable
from regbot.values import dataclass

UNKNOWN = "credentials not found in native keychain"
"""What every helper prints of a host that it doesn't know."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """A module in place of a helper, and the extra with the package that it needs."""

    module: str
    package: str
    extra: str

    @property
    def arguments(self) -> tuple[str, ...]:
        """What runs it; without the current folder, where anybody may put modules."""
        return (sys.executable, "-P", "-m", self.module)

    @property
    def is_installed(self) -> bool:
        """Whether its package is there."""
        try:
            return find_spec(self.package) is not None
        except ModuleNotFoundError:  # of a part of its name
            return False

    @property
    def remedy(self) -> str:
        """How to install what it needs."""
        return f"pip install '.[{self.extra}]'"


STAND_INS = {
    "docker-credential-ecr-login": StandIn("regbot.http.ecr", "botocore", "ecr"),
    "docker-credential-gcr": StandIn("regbot.http.gcr", "google.auth", "gcr"),
}
"""The stand-ins by the programs whose place they take."""


class NoPassword(Exception):
    """Why a cloud gave no password: a text of regbot's own, without any secret."""


def speak(get: Callable[[str], tuple[str, str] | None]) -> None:
    """Answer as a helper, with the process's arguments and its standard input and output.

    ``get`` gives a user and password for a host, or None for one that is another's. The exit
    status is 1 for whatever else.
    """
    if sys.argv[1:] != ["get"]:
        _fail("it stores no logins, since it gets them from the cloud")
    key = sys.stdin.read().strip()
    host = key.removeprefix("https://").removeprefix("http://").partition("/")[0]
    try:
        login = get(host)
    except NoPassword as error:
        _fail(str(error))
    if login is None:
        print(UNKNOWN)  # noqa: T201 - the answer
        sys.exit(1)
    user, password = login
    print(json.dumps({"ServerURL": key, "Username": user, "Secret": password}))  # noqa: T201


def reason(output: bytes) -> str:
    """The reason that a stand-in gave for having failed, or empty."""
    try:
        data = json.loads(output)
    except (ValueError, RecursionError):
        return ""
    return printable(str(data["error"])) if isinstance(data, dict) and "error" in data else ""


def _fail(why: str) -> None:
    print(json.dumps({"error": why}))  # noqa: T201 - the answer
    sys.exit(1)
