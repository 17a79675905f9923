"""Scripts from the command line: their text, their arguments, what they return."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from regbot.errors import UsageError

_LONGEST = 16 * 1024 * 1024


def text_of(file: str | None, text: str | None) -> tuple[str, bytes]:
    """Name and source of a script: a file, ``-`` for standard input, or a text.

    Raises UsageError of one line.
    """
    if (file is None) == (text is None):
        raise UsageError("name one script: a FILE.lua, or -e TEXT (see regbot run --help)")
    if text is not None:
        return "-e", text.encode("utf-8", "surrogateescape")
    if file == "-":
        return "(standard input)", sys.stdin.buffer.read(_LONGEST)
    path = Path(str(file))
    try:
        with path.open("rb") as stream:
            return path.name, stream.read(_LONGEST)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its name is not valid"
        raise UsageError(f"{file}: can't read the script: {why}") from None


def arguments_of(pairs: Sequence[str]) -> dict[str, object]:
    """``key=value`` texts as a table; JSON values are such, all else is text."""
    found: dict[str, object] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise UsageError(f"--arg {pair}: write it as key=value")
        found[key] = _value(value)
    return found


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def result_of(values: tuple[Any, ...]) -> str:
    """What a script returned as JSON: null, one value, or an array of several."""
    value = None if not values else values[0] if len(values) == 1 else list(values)
    return json.dumps(value, ensure_ascii=False)
