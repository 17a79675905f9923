"""The address that a server listens on: ``HOST:PORT``."""

from __future__ import annotations

import errno
import re
import socket

from regbot.errors import InvalidValue, UsageError
from regbot.values import dataclass

_FORM = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^:\[\]/@*\s]+)):(?P<port>[0-9]{1,5})"
)
_BACKLOG = 128
"""Connections that the system holds until they are accepted."""
_WHY = {
    errno.EADDRINUSE: "another program listens there (is a server running already?)",
    errno.EACCES: "the system doesn't allow it (ports below 1024 are for root)",
    errno.EADDRNOTAVAIL: "this machine has no such address (0.0.0.0 stands for all it has)",
}


@dataclass(frozen=True, slots=True)
class Address:
    """A host, by name or number, and a port; port 0 is any that is free."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``127.0.0.1:8080``, ``localhost:8080`` or ``[::1]:8080``. Raises InvalidValue."""
        match = _FORM.fullmatch(text)
        if not match or int(match["port"]) > 65535:
            raise InvalidValue(
                "write it as HOST:PORT, such as 127.0.0.1:8080 (0.0.0.0 as host is every"
                " address of this machine)"
            )
        return cls(match["v6"] or match["host"], int(match["port"]))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def bind(self) -> socket.socket:
        """A socket that listens here. Raises UsageError where that can't be."""
        try:
            family, _, _, _, where = _resolve(self.host, self.port)
            is_v6 = family == socket.AF_INET6
            return socket.create_server(
                where[:2],
                family=family,
                backlog=_BACKLOG,
                dualstack_ipv6=is_v6 and socket.has_dualstack_ipv6(),
            )
        except (OSError, UnicodeError) as error:
            raise UsageError(f"--listen {self}: {_explained(error)}") from None


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, int, int, str, tuple[str, int]]:
    """The first address of a host, an IPv4 one if it has any."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, kind, protocol, name, where = min(addresses, key=lambda each: each[0] != socket.AF_INET)
    return family, kind, protocol, name, (str(where[0]), int(where[1]))


def _explained(error: Exception) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):
        return "no address is known for this host"
    number = error.errno if isinstance(error, OSError) else None
    return _WHY.get(number or 0, "the system can't listen there")
