"""What a script does to the tables and names that are there before it, as far as it shows."""

from __future__ import annotations

from collections.abc import Collection

from regbot.lua.check.meaning import Meaning, Path
from regbot.lua.check.names import use_of
from regbot.lua.check.tree import FUNCTIONS, INDEXES, Node
from regbot.values import dataclass

_LOOKS = frozenset({"pairs", "ipairs", "next", "type", "tostring", "print", "log"})
"""Functions that leave a table as it is."""

_ENVIRONMENT = frozenset({"getfenv", "setfenv", "load", "loadstring"})
"""Functions that can make globals of any name."""


@dataclass(frozen=True, slots=True)
class Open:
    """What can have members or names that no script shows.

    ``everything``: globals of any name may appear while a script runs.
    """

    tables: Collection[str]
    everything: bool


def opened(root: Node, meaning: Meaning) -> Open:
    """What one chunk opens."""
    tables, everything = set(), False
    for node in root.walk():
        path = meaning.path(node) if node.kind == "identifier" or node.kind in INDEXES else None
        if path is None or len(path) > 1:
            continue
        (name,) = path
        if (
            name in _ENVIRONMENT
            or (name == "_G" and not _is_plain_index(node))
            or (name == "require" and not _names_its_module(node, meaning))
        ):
            everything = True
        elif meaning.api.members.get(name) is not None and _lets_out(node, meaning):
            tables.add(name)
    return Open(tables, everything)


def _is_plain_index(node: Node) -> bool:
    return use_of(node) == "indexed" and node.parent is not None and node.parent.key is not None


def _names_its_module(node: Node, meaning: Meaning) -> bool:
    """Whether ``require`` is called with a name, also by ``pcall``."""
    call = node.parent
    if call and call.kind == "function_call":
        return meaning.required(call) is not None
    return passed_to_pcall(node, meaning) and required_by_pcall(node) is not None


def required_by_pcall(node: Node) -> str | None:
    """The module of ``pcall(require, "name")``."""
    following = node.parent.children[1:2] if node.parent else []
    return following[0].string if following else None


def passed_to_pcall(node: Node, meaning: Meaning) -> bool:
    """Whether a function is called by ``pcall``, which catches its errors."""
    arguments = node.parent
    if arguments is None or arguments.kind != "arguments" or arguments.children[0] is not node:
        return False
    call = arguments.parent
    callee = call.child("name") if call else None
    return callee is not None and meaning.path(callee) in (("pcall",), ("xpcall",))


def is_caught(node: Node, meaning: Meaning) -> bool:
    """Whether an error here is caught by ``pcall``, and so may be meant."""
    return passed_to_pcall(node, meaning) or any(
        passed_to_pcall(named, meaning)
        for function in node.ancestors()
        if function.kind in FUNCTIONS
        for named in (function, *_uses_of(function, meaning))
    )


def _uses_of(function: Node, meaning: Meaning) -> list[Node]:
    """Where a function is named."""
    variables = {v for v in meaning.names.of.values() if v.only_value is function}
    return [use for variable in variables for use in variable.uses]


def callee_of(argument: Node, meaning: Meaning) -> Path | None:
    """What an argument is passed to."""
    call = argument.parent.parent if argument.parent else None
    callee = call.child("name") if call else None
    return meaning.path(callee) if callee else None


def _lets_out(node: Node, meaning: Meaning) -> bool:
    """Whether a namespace gets somewhere that could add members to it."""
    use = use_of(node)
    if use == "indexed":
        parent = node.parent
        return parent is not None and parent.key is None and use_of(parent) == "assigned"
    if use == "passed":
        return ".".join(callee_of(node, meaning) or ()) not in _LOOKS
    if use == "kept":
        return not _is_alias(node)
    return use == "value"


def _is_alias(node: Node) -> bool:
    """Whether a local variable is another name for it."""
    outer = [each.kind for each, _ in zip(node.ancestors(), range(3), strict=False)]
    return outer == ["expression_list", "assignment_statement", "variable_declaration"]
