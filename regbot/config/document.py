"""A YAML document as a tree of nodes that remember their place in the file.

Scalars keep the text they were written with, so that a password ``0123`` stays
``0123``; what a text means is decided by the field it stands in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from regbot.errors import ConfigError

Path = tuple[str | int, ...]
"""Keys and list positions that lead from the root to a node."""

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in the file; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong at a place: what it is, and in brackets what to do."""

    mark: Mark
    text: str


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text. ``style`` is YAML's: empty when plain, else ``'``, ``"``, ``|`` or ``>``."""

    text: str
    mark: Mark
    style: str = ""

    size = 1
    depth = 0

    @property
    def is_null(self) -> bool:
        """Whether nothing stands here."""
        return not self.style and self.text in _NULLS

    @property
    def first_line(self) -> int:
        """The line of the file where the text itself begins."""
        return self.mark.line + (1 if self.style in ("|", ">") else 0)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list. ``size`` counts the values in it, aliases written out."""

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
class Mapping:
    """Keys with values, merges done. ``size`` counts the values, aliases written out."""

    entries: dict[str, Entry]
    mark: Mark
    size: int
    depth: int

    def get(self, key: str) -> Node | None:
        """The value of a key; None when it is absent or nothing stands there."""
        entry = self.entries.get(key)
        if entry is None or (isinstance(entry.value, Scalar) and entry.value.is_null):
            return None
        return entry.value


Node = Scalar | Sequence | Mapping

Plain = Scalar | list["Plain"] | dict[str, "Plain"]
"""The tree as lists and dicts, with scalars at the leaves."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file that could be read as YAML, and what is wrong with it already."""

    filename: str
    root: Node
    lines: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = field(default=())

    def find(self, path: Path) -> tuple[Mark, Node | None]:
        """Where a path leads: the mark to point at, and the node if there is one.

        A path that leads nowhere gives the mark of the last node on the way.
        """
        node, mark = self.root, self.root.mark
        for step in path:
            if isinstance(node, Mapping) and step in node.entries:
                entry = node.entries[str(step)]
                node = entry.value
                nothing = isinstance(node, Scalar) and node.is_null
                mark = entry.key_mark if nothing else node.mark
            elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
                mark = node.mark
            else:
                return mark, None
        return mark, node

    def key(self, path: Path) -> Mark:
        """The mark of a mapping's key."""
        _, parent = self.find(path[:-1])
        if isinstance(parent, Mapping) and path[-1] in parent.entries:
            return parent.entries[str(path[-1])].key_mark
        return self.find(path)[0]

    def place(self, scalar: Scalar, offset: int) -> Mark:
        """The mark of a character of a scalar's text, or of the scalar where that is unclear."""
        before = scalar.text[:offset]
        row, column = before.count("\n"), offset - (before.rfind("\n") + 1)
        number = scalar.first_line + row
        if number > len(self.lines):
            return scalar.mark
        start = 0 if scalar.style == "|" else scalar.mark.column - 1
        found = self.lines[number - 1].find(scalar.text.split("\n")[row], start)
        if found < 0 or (row and scalar.style != "|"):
            return scalar.mark
        return Mark(number, found + column + 1)

    def error(self, problems: Iterable[Problem]) -> ConfigError:
        """All problems, each once and in the order of the file."""
        return ConfigError(self.line(problem) for problem in sorted(set(problems)))

    def line(self, problem: Problem) -> str:
        """A problem as ``file:line:column: what (what to do)``."""
        return f"{self.where(problem.mark)}: {problem.text}"

    def where(self, mark: Mark) -> str:
        """A mark as ``file:line:column``."""
        return f"{self.filename}:{mark.line}:{mark.column}"


def plain(node: Node) -> Plain:
    """The tree as lists and dicts, with scalars at the leaves."""
    if isinstance(node, Mapping):
        return {key: plain(entry.value) for key, entry in node.entries.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node


def shown(text: str) -> str:
    """A text from the file, short enough and safe to stand in one line."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
