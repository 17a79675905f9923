"""What may be shown of a text or a URL that came from outside or may hold a secret."""

from __future__ import annotations


def printable(text: str, limit: int = 300) -> str:
    """A text from outside as one line of visible characters, ``limit`` at most."""
    line = " ".join(text[: 4 * limit].split())
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line)
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def redacted(url: str) -> str:
    """A URL for logs and errors: without user part, query and fragment.

    A query may hold a signature that opens a storage, or a token.
    """
    from urllib.parse import urlsplit, urlunsplit  # a script's process does without

    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        return printable(urlunsplit((parts.scheme, host, parts.path, "", "")), 1000)
    except ValueError:
        return "(a URL that can't be read)"
