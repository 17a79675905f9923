"""A stream that stands for a terminal of some width."""

import io


class Terminal(io.StringIO):
    """What is printed to a terminal; ``COLUMNS`` says how wide it is."""

    def isatty(self):
        return True


def terminal(monkeypatch, width, *, colour=False):
    """A terminal of ``width`` columns."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    if not colour:
        monkeypatch.setenv("NO_COLOR", "1")
    return Terminal()
