"""The health check of the container image: asks the server for /healthz.

The address is that of the container's first process. If that opens no port, such as
`regbot once`, it counts as healthy for as long as it runs. Only the standard library is
used, without proxies, so that a check takes little time and stays in the container.
"""

from __future__ import annotations

import http.client
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

_COMMAND = Path("/proc/1/cmdline")
_PATIENCE = 5.0
"""Seconds."""
_HERE: Mapping[str, str] = MappingProxyType({"0.0.0.0": "127.0.0.1", "[::]": "[::1]"})
"""Where to ask a server that listens on every address."""


def address(command: Sequence[str]) -> tuple[str, int] | None:
    """The host and port that a command line listens on, if it does."""
    for option, value in zip(command, [*command[1:], ""], strict=True):
        if option.startswith("--listen="):
            value = option.removeprefix("--listen=")
        elif option != "--listen":
            continue
        host, _, port = value.rpartition(":")
        return _HERE.get(host, host).strip("[]"), int(port)
    return None


def is_healthy(command: Sequence[str]) -> bool:
    """Whether the server of a command line answers; true if it doesn't listen."""
    where = address(command)
    if where is None:
        return True
    connection = http.client.HTTPConnection(*where, timeout=_PATIENCE)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else _COMMAND
    sys.exit(not is_healthy(path.read_text().rstrip("\0").split("\0")))
