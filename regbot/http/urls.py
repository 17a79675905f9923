"""URLs: what may be shown of one, and which belong to the same host."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from regbot.errors import InvalidValue

_PORTS = {"http": 80, "https": 443}


def printable(text: str, limit: int = 300) -> str:
    """A text from outside as one line of visible characters, ``limit`` at most."""
    line = " ".join(text[: 4 * limit].split())
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line)
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def redacted(url: str) -> str:
    """A URL for logs and errors: without user part, query and fragment.

    A query may hold a signature that opens a storage, or a token.
    """
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        return printable(urlunsplit((parts.scheme, host, parts.path, "", "")), 1000)
    except ValueError:
        return "(a URL that can't be read)"


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
