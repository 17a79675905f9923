"""A YAML document as a tree of nodes that know their place in the file.

A scalar keeps the text as it was written, so that a password ``0123`` stays ``0123``.
The field that it belongs to decides what the text means.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import NamedTuple

from regbot.config.places import place_of
from regbot.errors import ConfigError, InvalidValue
from regbot.values import dataclass

Path = tuple[str | int, ...]
"""Keys and list positions that lead from the root to a node."""

Place = tuple[str, ...]
"""The keys of a path, without the positions in lists."""

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class Mark(NamedTuple):
    """A place in the file. Lines and columns are counted from 1."""

    line: int
    column: int


class Problem(NamedTuple):
    """A problem at a place. The text says what is wrong, and in brackets what to do."""

    mark: Mark
    text: str


class Mistake(InvalidValue):
    """A problem of the value that is being read, ``offset`` characters into its text."""

    def __init__(self, text: str, offset: int | None = None) -> None:
        super().__init__(text)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string. ``style`` is empty for a plain scalar, else ``'``, ``"``, ``|`` or ``>``."""

    text: str
    mark: Mark
    style: str = ""

    size = 1
    depth = 0

    @property
    def is_null(self) -> bool:
        """Whether the value is empty or null."""
        return not self.style and self.text in _NULLS

    @property
    def first_line(self) -> int:
        """The line of the file in which the text itself begins."""
        return self.mark.line + (1 if self.style in ("|", ">") else 0)


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list. ``size`` is the number of values in it, with aliases expanded."""

    items: tuple[Node, ...]
    mark: Mark
    size: int
    depth: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A key's place and its value."""

    key_mark: Mark
    value: Node


@dataclass(frozen=True, slots=True)
class MappingNode:
    """Keys and values, with merges applied. ``size`` is as for a ListNode."""

    entries: dict[str, Entry]
    mark: Mark
    size: int
    depth: int

    def get(self, key: str) -> Node | None:
        """The value of a key, or None if it is absent or empty."""
        entry = self.entries.get(key)
        if entry is None or (isinstance(entry.value, Scalar) and entry.value.is_null):
            return None
        return entry.value


Node = Scalar | ListNode | MappingNode


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read as YAML, and the problems found so far."""

    filename: str
    root: Node
    lines: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = field(default=())

    def find(self, path: Path) -> tuple[Mark, Node | None]:
        """The node at a path, or None, and the mark that an error should point at.

        For a path that doesn't exist, the mark is that of the last node on the way.
        """
        node, mark = self.root, self.root.mark
        for step in path:
            if isinstance(node, MappingNode) and step in node.entries:
                entry = node.entries[str(step)]
                node = entry.value
                is_empty = isinstance(node, Scalar) and node.is_null
                mark = entry.key_mark if is_empty else node.mark
            elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
                mark = node.mark
            else:
                return mark, None
        return mark, node

    def key(self, path: Path) -> Mark:
        """The mark of a key in a mapping."""
        _, parent = self.find(path[:-1])
        if isinstance(parent, MappingNode) and path[-1] in parent.entries:
            return parent.entries[str(path[-1])].key_mark
        return self.find(path)[0]

    def place(self, scalar: Scalar, offset: int) -> Mark:
        """The mark of a character in a scalar, or that of the scalar if it can't be located."""
        line, column = scalar.mark
        place = place_of(
            scalar.text, offset, style=scalar.style, lines=self.lines, line=line, column=column
        )
        return Mark(*place) if place else scalar.mark

    def error(self, problems: Iterable[Problem]) -> ConfigError:
        """All problems, each once and in the order of the file."""
        return ConfigError(self.line(problem) for problem in sorted(set(problems)))

    def line(self, problem: Problem) -> str:
        """A problem as ``file:line:column: what (what to do)``."""
        return f"{self.where(problem.mark)}: {problem.text}"

    def where(self, mark: Mark) -> str:
        """A mark as ``file:line:column``."""
        return f"{self.filename}:{mark.line}:{mark.column}"


def shown(text: str) -> str:
    """A text from the file, quoted and shortened for an error message."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
