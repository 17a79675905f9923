"""URLs: which host they belong to."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from regbot.errors import InvalidValue
from regbot.redaction import redacted

_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port, which together say who gets a URL's requests.

    Raises InvalidValue unless it is an http or https URL with a host.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise InvalidValue("a URL that can't be read") from None
    if parts.scheme not in _PORTS or not host:
        raise InvalidValue(f"{redacted(url)!r} is not an http or https URL with a host")
    return parts.scheme, host, port or _PORTS[parts.scheme]


def without_user(url: str) -> str:
    """The URL without ``user:password@``, which no redirect may make us send."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))


def authority(netloc: str, scheme: str) -> str:
    """A host and its port as ``Host`` has them: without the port that the scheme implies."""
    return netloc.lower().removesuffix(f":{_PORTS.get(scheme)}")
