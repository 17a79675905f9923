"""Which proxy a URL goes through: HTTP_PROXY, HTTPS_PROXY and NO_PROXY.

The rules are those of Go's httpproxy, so that a set-up made for other container
tools behaves the same. Nothing here does I/O; names are never resolved.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from regbot.errors import InvalidValue
from regbot.http.hosts import Secret
from regbot.http.urls import origin
from regbot.values import dataclass

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Bypass:
    """One entry of NO_PROXY.

    ``network`` for an address or range; else ``domain``, which stands for its
    subdomains and, with ``itself``, for the name itself. ``port`` empty is any.
    """

    network: _Network | None = None
    domain: str = ""
    itself: bool = False
    port: str = ""

    @classmethod
    def parse(cls, text: str) -> Bypass | None:
        """Read one entry; None for what means nothing."""
        text = text.strip().lower()
        if "/" in text:
            network = _network(text)
            return None if network is None else cls(network=network)
        host, port = _split_port(text)
        address = _address(host)
        if address is not None:
            return cls(network=ipaddress.ip_network(address), port=port)
        host = host.removeprefix("*") if host.startswith("*.") else host
        bare = host.removeprefix(".")
        if not bare or (port and not port.isdigit()):
            return None
        return cls(domain=bare, itself=not host.startswith("."), port=port)

    def __str__(self) -> str:
        if self.network is None:
            text = self.domain if self.itself else f".{self.domain}"
        elif self.network.num_addresses > 1 or not self.port:
            return str(self.network)
        else:
            address = self.network.network_address
            text = f"[{address}]" if address.version == 6 else str(address)
        return f"{text}:{self.port}" if self.port else text

    def covers(self, host: str, port: int) -> bool:
        """Whether a host, lower case, is to be reached directly."""
        if self.port and self.port != str(port):
            return False
        address = _address(host)
        if self.network is not None:
            return address is not None and address in self.network
        return host.endswith(f".{self.domain}") or (self.itself and host == self.domain)


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxy settings of an environment. A proxy's URL may hold a password."""

    http: Secret = Secret()
    https: Secret = Secret()
    everything: bool = False
    bypasses: tuple[Bypass, ...] = ()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Proxies:
        """Read the variables, upper case before lower case.

        With REQUEST_METHOD set, HTTP_PROXY may come from the header ``Proxy`` of a
        CGI request, so it is not believed.
        """

        def value(name: str) -> str:
            return environ.get(name) or environ.get(name.lower()) or ""

        http = "" if environ.get("REQUEST_METHOD") else value("HTTP_PROXY")
        entries = [entry.strip() for entry in value("NO_PROXY").split(",")]
        parsed = (Bypass.parse(entry) for entry in entries)
        return cls(
            http=Secret(http),
            https=Secret(value("HTTPS_PROXY")),
            everything="*" in entries,
            bypasses=tuple(bypass for bypass in parsed if bypass is not None),
        )

    def choose(self, url: str) -> Secret:
        """The URL of the proxy for a request, empty to go directly.

        Raises InvalidValue for a proxy that is not http or https.
        """
        scheme, host, port = origin(url)
        chosen = self.https if scheme == "https" else self.http
        if not chosen or not self._proxied(host.rstrip(), port):
            return Secret()
        text = chosen.reveal().strip()
        text = text if "://" in text else f"http://{text}"
        if not _usable(text):
            name = f"{scheme.upper()}_PROXY"
            raise InvalidValue(
                f"{name} is not the URL of a proxy such as http://proxy.example:3128"
            )
        return Secret(text)

    def _proxied(self, host: str, port: int) -> bool:
        address = _address(host)
        if self.everything or host == "localhost" or (address and address.is_loopback):
            return False
        return not any(entry.covers(host, port) for entry in self.bypasses)


def _usable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        spaced = not url.isprintable() or " " in url
        return (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname and parts.port != 0)
            and not spaced
        )
    except ValueError:
        return False


def _split_port(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    host, colon, port = text.rpartition(":")
    return (host, port) if colon and ":" not in host else (text, "")


def _address(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _network(text: str) -> _Network | None:
    address, _, bits = text.partition("/")
    if not bits.isdigit():
        return None
    try:
        return ipaddress.ip_network(f"{address}/{bits}", strict=False)
    except ValueError:
        return None
