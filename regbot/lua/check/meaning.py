"""What the expressions of a script stand for: functions of the API, and values of its types.

A type is written as bindings and shapes write it: ``manifest``, ``ImageConfig``, ``map``,
``string``, ``[]Descriptor``; one that ends in ``?`` may be nil. An empty type is unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field

from regbot.lua.binding import Binding, Parameter
from regbot.lua.check.names import Names
from regbot.lua.check.tree import INDEXES, Node
from regbot.lua.values import Field
from regbot.values import dataclass

Path = tuple[str, ...]
"""A global name and the fields that lead on from it."""

LABELS = "map of labels"

_SHAPES_OF = {"manifest": ("Manifest", "Index"), "config": ("Image",)}
SAME_MODULE = {"lunajson": "json"}
"""Built-in modules that have another name."""


@dataclass(frozen=True, slots=True)
class Api:
    """What scripts find.

    ``members`` has the names of all globals, with the members of those that are tables.
    """

    members: Mapping[str, Collection[str] | None]
    bindings: Mapping[str, Binding]
    shapes: Mapping[str, Sequence[Field]]

    def methods(self, kind: str) -> dict[str, Binding]:
        """The methods of a kind of object, by name."""
        fitting = (each for each in self.bindings.values() if kind in each.method_of)
        return {each.method: each for each in sorted(fitting, key=lambda each: each.method)}


@dataclass(frozen=True, slots=True)
class Called:
    """A call of a binding: its parameters and options are those of the arguments written."""

    name: str
    binding: Binding
    parameters: tuple[Parameter, ...]


@dataclass(slots=True)
class Meaning:
    """The meaning of one chunk's expressions.

    ``assigned`` are the globals that any chunk of the script assigns to, ``own_modules``
    the modules that are files.
    """

    names: Names
    api: Api
    assigned: Collection[str]
    own_modules: Collection[str]
    _types: dict[Node, str] = field(default_factory=dict)
    _paths: dict[Node, Path | None] = field(default_factory=dict)

    def path(self, node: Node) -> Path | None:
        """The path of a function or table that is there before any script runs."""
        if node not in self._paths:
            self._paths[node] = self._path(node)
        return self._paths[node]

    def _path(self, node: Node) -> Path | None:
        if node.kind == "parenthesized_expression" and node.children:
            return self.path(node.children[0])
        if node.kind == "identifier":
            return self._path_of_name(node)
        if node.kind == "function_call":
            return self._path_of_module(node)
        if node.kind in INDEXES:
            table = node.child("table")
            path = self.path(table) if table else None
            if path is None or node.key is None:
                return None
            return (node.key,) if path == ("_G",) else (*path, node.key)
        return None

    def _path_of_name(self, node: Node) -> Path | None:
        variable = self.names.of.get(node)
        if variable is None:
            return None
        if variable.is_local:
            return self.path(variable.only_value) if variable.only_value else None
        return None if variable.name in self.assigned else (variable.name,)

    def _path_of_module(self, call: Node) -> Path | None:
        name = self.required(call)
        if name is None or name in self.own_modules:
            return None
        name = SAME_MODULE.get(name, name)
        return (name,) if self.api.members.get(name) is not None else None

    def required(self, call: Node) -> str | None:
        """The module that a call requires, if its name is written."""
        callee, arguments = call.child("name"), call.arguments
        if callee and arguments and self.path(callee) == ("require",):
            return arguments[0].string
        return None

    def called(self, call: Node) -> Called | None:
        """The binding that a call calls, by its name or as a method."""
        callee = call.child("name")
        if callee is None:
            return None
        if callee.kind == "method_index_expression":
            return self._method(callee)
        return self.named(callee)

    def named(self, node: Node) -> Called | None:
        """The binding that an expression is."""
        path = self.path(node)
        name = ".".join(path or ())
        binding = self.api.bindings.get(name)
        return Called(name, binding, binding.parameters) if binding else None

    def _method(self, callee: Node) -> Called | None:
        table, name = callee.child("table"), callee.key
        kind = self.type_of(table).rstrip("?") if table else ""
        binding = self.api.methods(kind).get(name or "")
        if binding is None:
            return None
        return Called(f"{kind}:{name}", binding, binding.parameters[1:])

    def type_of(self, node: Node) -> str:
        """The type of an expression's value."""
        if node not in self._types:
            self._types[node] = ""
            self._types[node] = self._type_of(node)
        return self._types[node]

    def _type_of(self, node: Node) -> str:
        if node.kind == "parenthesized_expression" and node.children:
            return self.type_of(node.children[0])
        if node.kind == "identifier":
            variable = self.names.of.get(node)
            is_alone = variable and (variable.is_local or not self.own_modules)
            value = variable.only_value if variable and is_alone else None
            return self.type_of(value) if value else ""
        if node.kind == "function_call":
            called = self.called(node)
            return _type_of_result(called.binding.result) if called else ""
        if node.kind in INDEXES:
            return self._type_of_field(node)
        return ""

    def _type_of_field(self, node: Node) -> str:
        table = node.child("table")
        kind = self.type_of(table).rstrip("?") if table else ""
        if kind.startswith("[]"):
            return kind[2:]
        if kind in ("map", LABELS):
            return "label?" if kind == LABELS else "value?"
        if not kind:
            return _type_by_name(node)
        return _type_in(self._fields_of(kind), node.key)

    def _fields_of(self, kind: str) -> Iterable[Field]:
        for shape in _SHAPES_OF.get(kind, (kind,)):
            yield from self.api.shapes.get(shape, ())


def _type_in(fields: Iterable[Field], key: str | None) -> str:
    for go, json, kind in fields:
        if key is not None and key in (go, json):
            return {"time": "time?"}.get(kind, LABELS if go == "Labels" else kind)
    return ""


def _type_by_name(node: Node) -> str:
    """Labels are known by the way that leads to them too: ``anything.config.Labels``."""
    table = node.child("table")
    if node.key == "Labels" and table and table.kind in INDEXES:
        return LABELS if table.key in ("config", "Config") else ""
    return ""


def _type_of_result(result: str) -> str:
    """A binding's result as a type."""
    optional = "?" if result.endswith("?") else ""
    name = result.removesuffix("?")
    if name.endswith("[]"):
        return "[]" + _type_of_result(name[:-2])
    if name.startswith("regbot."):
        name = name.removeprefix("regbot.")
        name = name.removesuffix("Fields") if name.endswith("Fields") else name.lower()
    return "" if "|" in name or "," in name else name + optional
