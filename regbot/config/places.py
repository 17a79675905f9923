"""Where in a YAML file each character of a string is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_BLOCKS = ("|", ">")
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)+")
_CHARACTER = re.compile(r"\S")
_IN_SINGLE_QUOTES = re.compile(r"''|\S")
_IN_DOUBLE_QUOTES = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)|[^\s\\]")
_ESCAPED = {"0": "\0", "a": "\a", "b": "\b", "e": "\x1b", '"': '"', "/": "/", "\\": "\\"}
"""Characters that an escape stands for; those that are missing are white space."""


def place_of(
    text: str, offset: int, *, style: str, lines: Sequence[str], line: int, column: int
) -> tuple[int, int] | None:
    """The line and column of a character of a string, or None if it can't be located.

    The string begins at a line and column of the file; all are counted from 1.
    Folding, indentation and line ends change white space alone, so the characters between
    are counted, in the text and in the file. White space is where the next one begins.
    """
    wanted = sum(not character.isspace() for character in text[:offset])
    expected = (character for character in text if not character.isspace())
    end = None
    written = _characters(style, lines, line - 1, column - 1)
    for number, (character, (other, row, start)) in enumerate(zip(expected, written, strict=False)):
        if character != other:
            return None
        if number == wanted:
            return row + 1, start + 1
        end = row + 1, start + 2
    return end


def _characters(
    style: str, lines: Sequence[str], row: int, start: int
) -> Iterator[tuple[str, int, int]]:
    """What is written for a string and after it, without white space; counted from 0."""
    pattern = _CHARACTER
    if style in _BLOCKS:
        row, start = row + 1, 0
    elif row < len(lines):
        properties = _PROPERTIES.match(lines[row], start)
        start = properties.end() if properties else start
        quote = lines[row][start : start + 1]
        if quote and quote == style:
            pattern = _IN_DOUBLE_QUOTES if quote == '"' else _IN_SINGLE_QUOTES
            start += 1
    for number in range(row, len(lines)):
        for match in pattern.finditer(lines[number], start):
            character = _decoded(match[0])
            if character.strip():
                yield character, number, match.start()
        start = 0


def _decoded(written: str) -> str:
    """The character that is written, empty for white space."""
    if len(written) == 1:
        return written
    kind = written[1]
    if kind in "xuU":
        return chr(int(f"0x{written[2:]}", 0))
    return "'" if written == "''" else _ESCAPED.get(kind, "")
