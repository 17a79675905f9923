"""Texts that tests compare with a file, so that a diff shows how an output has changed.

A test takes the fixture ``snapshot`` and says ``assert text == snapshot``, or
``snapshot(name="80 columns")`` where it has several. The file is in ``__snapshots__``
beside the test. ``scripts/test tests/report --snapshot-update`` writes those that changed
and removes those that no test uses; without it, one that no test uses fails the run.
"""

import re

from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

_STYLE = re.compile(r"\x1b\[([\d;]*)m")
_STYLES = {
    "1": "bold",
    "2": "dim",
    "3": "italic",
    "4": "underline",
    "31": "red",
    "32": "green",
    "33": "yellow",
    "34": "blue",
    "35": "magenta",
    "36": "cyan",
}


class Texts(SingleFileSnapshotExtension):
    """One plain file for each text; colours of a terminal are written as ``<bold red>``."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"

    def serialize(self, data, **_):
        return readable(data)


def readable(text):
    """A text of a terminal with the names of its styles; any other escape is shown too."""
    named = _STYLE.sub(_name, text)
    return "".join(
        character if character.isprintable() or character == "\n" else ascii(character)[1:-1]
        for character in named
    )


def _name(style):
    codes = [code for code in style[1].split(";") if code not in ("", "0")]
    return f"<{' '.join(_STYLES.get(code, code) for code in codes)}>" if codes else "</>"
