"""Lua as a tree. What is not Lua 5.1 is left to Lua's own compiler, which reads it first."""

from __future__ import annotations

from collections.abc import Iterator

import tree_sitter
import tree_sitter_lua

INDEXES = ("dot_index_expression", "bracket_index_expression", "method_index_expression")
_KEYED = ("dot_index_expression", "method_index_expression", "field")
FUNCTIONS = ("function_declaration", "function_definition")


class Node:
    """A part of a script, from byte ``start`` to ``end`` of its source.

    ``kind`` and ``role`` (what it is to its parent) are the grammar's words.
    """

    __slots__ = ("children", "end", "kind", "parent", "role", "source", "start")

    def __init__(
        self, kind: str, role: str, place: tuple[int, int], source: bytes, parent: Node | None
    ) -> None:
        self.kind = kind
        self.role = role
        self.start, self.end = place
        self.source = source
        self.parent = parent
        self.children: list[Node] = []

    @property
    def text(self) -> str:
        """Its text."""
        return self.source[self.start : self.end].decode("utf-8", "replace")

    def child(self, role: str) -> Node | None:
        """The first child of a role."""
        return next((child for child in self.children if child.role == role), None)

    def of_kind(self, kind: str) -> Node | None:
        """The first child of a kind."""
        return next((child for child in self.children if child.kind == kind), None)

    def ancestors(self) -> Iterator[Node]:
        """What it is in, from the inside out."""
        node = self.parent
        while node:
            yield node
            node = node.parent

    def walk(self) -> Iterator[Node]:
        """It and everything in it, in the order of the source."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    @property
    def operator(self) -> str:
        """The operator of an expression, or empty."""
        operator = self.child("operator")
        return operator.text if operator else ""

    @property
    def string(self) -> str | None:
        """The value of a string literal without escapes; None for anything else."""
        if self.kind != "string" or "\\" in self.text:
            return None
        content = self.of_kind("string_content")
        return content.text if content else ""

    @property
    def is_key(self) -> bool:
        """Whether it is the name of a field, written without brackets."""
        if self.parent is None or self.parent.kind not in _KEYED:
            return False
        in_brackets = self.parent.source[self.parent.start : self.parent.start + 1] == b"["
        return self.role in ("field", "method") or (self.role == "name" and not in_brackets)

    @property
    def key(self) -> str | None:
        """The name that is looked up in a table, or that a field of one has, if it is written."""
        if self.kind == "method_index_expression":
            name = self.child("method")
        elif self.kind in INDEXES:
            name = self.child("field")
        else:
            name = self.child("name")
        if name is None:
            return None
        in_brackets = (
            self.kind == "bracket_index_expression"
            or self.source[self.start : self.start + 1] == b"["
        )
        return name.string if in_brackets else name.text

    @property
    def arguments(self) -> list[Node]:
        """The arguments of a call."""
        given = self.child("arguments")
        return given.children if given else []

    @property
    def can_be_many(self) -> bool:
        """Whether it may stand for several values: a call or ``...``."""
        return self.kind in ("function_call", "vararg_expression")


def parse(source: bytes) -> Node | None:
    """The tree of a script; None for what the grammar doesn't know."""
    language = tree_sitter.Language(tree_sitter_lua.language())
    tree = tree_sitter.Parser(language).parse(source)
    return None if tree.root_node.has_error else _converted(tree.walk(), source)


def _converted(cursor: tree_sitter.TreeCursor, source: bytes) -> Node | None:
    """The named nodes and the operators, without comments."""
    root: Node | None = None
    parents: list[Node | None] = [None]
    while True:
        part = cursor.node
        if part is None:
            return root
        role = cursor.field_name or ""
        node: Node | None = None
        if (part.is_named or role == "operator") and not part.is_extra:
            parent = parents[-1]
            node = Node(part.type, role, part.byte_range, source, parent)
            if parent:
                parent.children.append(node)
            root = root or node
        if node and cursor.goto_first_child():
            parents.append(node)
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return root
            parents.pop()
