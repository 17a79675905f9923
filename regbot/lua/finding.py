"""What is found in a script's text before it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class LuaText:
    """A script to be read.

    ``folders`` is where ``require`` looks for modules, None where that is not known.
    ``guarded``: a guard of the config limits what the script deletes. ``by_rules``: it
    deletes by retention rules, whatever its text is. ``name`` is empty for a text that is
    no script of a valid config.
    """

    source: bytes
    folders: tuple[Path, ...] | None = None
    guarded: bool = True
    enabled: bool = True
    by_rules: bool = False
    name: str = ""


class Finding(NamedTuple):
    """A mistake, or with ``is_warning`` what may be one, and in brackets what to do.

    ``file`` is the module it is in, empty for the script itself. ``offset`` is counted in
    characters from 0, ``line`` and ``column`` from 1.
    """

    file: str
    offset: int
    line: int
    column: int
    text: str
    is_warning: bool = False


Reader = Callable[[LuaText], Iterable[Finding]]


def finding_at(
    source: bytes, position: int, text: str, *, file: str = "", is_warning: bool = False
) -> Finding:
    """A finding at a byte of a source."""
    before = source[:position].decode("utf-8", "replace")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return Finding(file, len(before), line, column, text, is_warning)
