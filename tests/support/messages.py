"""Messages as a user sees them, without what differs from run to run."""

from __future__ import annotations

import re
from pathlib import Path

_HEX = re.compile(r"sha256:[0-9a-f]{64}")
_LOOPBACK = re.compile(r"127\.0\.0\.1:\d+")
_OF_A_LIBRARY = re.compile(r"(not YAML|is not trusted|is damaged): [^(]+ \(")
_FAILED = re.compile(r'msg="script failed".* error=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>\S+))')


def steady(text: str, folder: Path | None = None) -> str:
    """A message with a name for the registry, the folder and each digest; it is one line."""
    text = _LOOPBACK.sub("registry.example.org", text)
    if folder:
        text = text.replace(str(folder), "/home/joe")
    assert "\n" not in text
    text = _OF_A_LIBRARY.sub(r"\1: ... (", text)
    return _HEX.sub("sha256:0123...", text)


def failure_in(log: str) -> str:
    """Why a script failed, by the log of its run."""
    match = _FAILED.search(log)
    assert match, log
    quoted = match["quoted"]
    return match["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
