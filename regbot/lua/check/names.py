"""Which variable each name of a script is, what is assigned to it, and how names are used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from regbot.lua.check.tree import INDEXES, Node

Use = Literal["called", "indexed", "assigned", "tested", "passed", "kept", "operand", "value"]
"""``tested``: only asked whether it is there. ``kept``: put into a variable or given back."""

_TESTS = frozenset({"and", "or", "==", "~="})
_NO_EXPRESSIONS = frozenset({"goto_statement", "label_statement"})


class Variable:
    """A variable. ``values`` are what is assigned to it: None is what can't be told."""

    def __init__(self, name: str, *values: Node | None, is_local: bool = True) -> None:
        self.name = name
        self.is_local = is_local
        self.values = [*values]
        self.uses: list[Node] = []

    @property
    def only_value(self) -> Node | None:
        """What it always holds, if that can be told."""
        return self.values[0] if len(self.values) == 1 else None


Scope = dict[str, Variable]


class Names:
    """The variables of one chunk. Raises RecursionError for one that is nested too deep."""

    def __init__(self, chunk: Node) -> None:
        self.globals: Scope = {}
        self.of: dict[Node, Variable] = {}
        self._scopes: list[Scope] = []
        self._block(chunk)
        self.all = {variable.name for variable in self.of.values()} | self.globals.keys()

    def _variable(self, name: str) -> Variable:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        return self.globals.setdefault(name, Variable(name, is_local=False))

    def _declare(self, name: Node, value: Node | None) -> None:
        variable = Variable(name.text, value)
        self._scopes[-1][variable.name] = variable
        self.of[name] = variable

    def _assign(self, target: Node, value: Node | None) -> None:
        if target.kind == "identifier":
            variable = self._variable(target.text)
            variable.values.append(value)
            self.of[target] = variable
        else:
            self._visit(target)

    def _block(self, block: Node, *, until: Node | None = None) -> None:
        """The statements of a block; ``until`` is a condition that sees their variables."""
        self._scopes.append({})
        self._all(block.children)
        if until:
            self._visit(until)
        self._scopes.pop()

    def _all(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            self._visit(node)

    def _visit(self, node: Node) -> None:
        visits: dict[str, Callable[[Node], None]] = {
            "identifier": self._name,
            "block": self._block,
            "variable_declaration": self._declaration,
            "assignment_statement": self._assignment,
            "for_statement": self._for,
            "repeat_statement": self._repeat,
            "function_declaration": self._function,
            "function_definition": self._function,
        }
        if node.kind in visits:
            visits[node.kind](node)
        elif node.kind not in _NO_EXPRESSIONS:
            self._all(child for child in node.children if not child.is_key)

    def _name(self, node: Node) -> None:
        variable = self._variable(node.text)
        variable.uses.append(node)
        self.of[node] = variable

    def _assignment(self, node: Node) -> None:
        for target, value in self._pairs(node):
            self._assign(target, value)

    def _pairs(self, node: Node) -> list[tuple[Node, Node | None]]:
        """The targets of an assignment and their values, which are visited."""
        targets, values = node.of_kind("variable_list"), node.of_kind("expression_list")
        given = values.children if values else []
        self._all(given)
        padded = [*given, *[None] * len(targets.children if targets else [])]
        return list(zip(targets.children if targets else [], padded, strict=False))

    def _declaration(self, node: Node) -> None:
        assignment = node.of_kind("assignment_statement")
        if assignment:
            pairs = self._pairs(assignment)
        else:
            names = node.of_kind("variable_list")
            pairs = [(name, None) for name in names.children] if names else []
        for name, value in pairs:
            if name.kind == "identifier":
                self._declare(name, value)

    def _for(self, node: Node) -> None:
        clause, body = node.child("clause"), node.child("body")
        if clause is None:
            return
        names = clause.of_kind("variable_list")
        declared = names.children if names else [c for c in clause.children if c.role == "name"]
        self._all(child for child in clause.children if child is not names and child.role != "name")
        self._scopes.append({})
        for name in declared:
            self._declare(name, None)
        if body:
            self._block(body)
        self._scopes.pop()

    def _repeat(self, node: Node) -> None:
        body, condition = node.child("body"), node.child("condition")
        if body:
            self._block(body, until=condition)
        elif condition:
            self._visit(condition)

    def _function(self, node: Node) -> None:
        name = node.child("name")
        if name and node.role == "local_declaration":
            self._declare(name, node)
        elif name:
            self._assign(name, node)
        parameters, body = node.child("parameters"), node.child("body")
        self._scopes.append({})
        if name and name.kind == "method_index_expression":
            self._scopes[-1]["self"] = Variable("self", None)
        for parameter in parameters.children if parameters else []:
            if parameter.kind == "identifier":
                self._declare(parameter, None)
        if body:
            self._block(body)
        self._scopes.pop()


def use_of(node: Node) -> Use:
    """How the value of an expression is used."""
    parent = node.parent
    while parent and parent.kind == "parenthesized_expression":
        node, parent = parent, parent.parent
    if parent is None:
        return "value"
    match parent.kind:
        case "function_call" if node.role == "name":
            return "called"
        case kind if kind in INDEXES and node.role == "table":
            return "indexed"
        case "variable_list" | "function_declaration":
            return "assigned"
        case "arguments":
            return "passed"
        case "binary_expression":
            return "tested" if parent.operator in _TESTS else "operand"
        case "unary_expression":
            return "tested" if parent.operator == "not" else "operand"
        case "expression_list":
            return "kept" if not _is_iterated(parent) else "operand"
        case _:
            return "tested" if node.role == "condition" else "value"


def _is_iterated(expressions: Node) -> bool:
    parent = expressions.parent
    return parent is not None and parent.kind == "for_generic_clause"
