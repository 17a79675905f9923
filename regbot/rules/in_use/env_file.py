"""The settings of a ``.env`` file, as Compose reads them.

Compose has no written grammar for this file, and other tools read it in other ways. So a
line that is not plainly a setting makes the whole file unreadable: it may be a part of a
value that goes over several lines, or a way to write a setting that is not known here.
"""

from __future__ import annotations

import re
from pathlib import Path

from regbot.errors import UseUnknown
from regbot.rules.in_use.interpolation import Variables
from regbot.rules.in_use.listed import content_of

_SETTING = re.compile(
    r"""
    (?:export\s+)? (?P<name>[A-Za-z_][\w.-]*) \s*=\s*
    (?: "(?P<double>(?:[^"\\]|\\.)*)" (?:\s*|\s+\#.*)
      | '(?P<single>(?:[^'\\]|\\.)*)' (?:\s*|\s+\#.*)
      | (?P<plain>(?!["']).*) )
    """,
    re.ASCII | re.VERBOSE,
)
_COMMENT = re.compile(r"(?:^|\s)#")


def env_file(path: Path) -> Variables:
    """The settings, by name; None for a value with escapes or variables of its own.

    There are none where there is no file. Raises UseUnknown, with the line, which may hold
    a secret and is not quoted.
    """
    if not path.exists():
        return {}
    settings: dict[str, str | None] = {}
    lines = content_of(path).decode("utf-8-sig", "replace").split("\n")
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        match = _SETTING.fullmatch(line)
        if match is None:
            raise UseUnknown(f"{path}: line {number} is not NAME=value on one line")
        settings[match["name"]] = _value(match)
    return settings


def _value(match: re.Match[str]) -> str | None:
    """A value as it is written; None where it stands for another one."""
    if match["single"] is not None:
        return None if "\\" in match["single"] else match["single"]
    plain = match["plain"]
    value = match["double"] if plain is None else _COMMENT.split(plain, maxsplit=1)[0].strip()
    return None if set(value) & {"$", "\\"} else value
