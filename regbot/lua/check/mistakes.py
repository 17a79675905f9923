"""What can't work: names that nothing has, calls with too few arguments or wrong options."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches

from regbot.lua.binding import Parameter
from regbot.lua.check.meaning import Called, Meaning, Path
from regbot.lua.check.names import use_of
from regbot.lua.check.openings import Open, callee_of
from regbot.lua.check.tree import INDEXES, Node
from regbot.lua.pages import signature
from regbot.values import dataclass

Mistake = tuple[Node, str]
"""Where it is, and what is wrong, with what to do in brackets."""

_ASKS = frozenset({"type", "tostring", "assert", "print", "select", "rawequal", "next"})
"""Functions that take a nil."""

_OUTSIDE = {
    "io": "scripts have no files",
    "debug": "scripts have no debugger",
    "package": "require alone loads modules",
    "dofile": "use require",
    "loadfile": "use require",
    "os.execute": "scripts start no programs",
    "os.exit": "use return or error",
    "os.remove": "scripts have no files",
    "os.rename": "scripts have no files",
    "os.tmpname": "scripts have no files",
    "table.unpack": "in Lua 5.1 it is unpack",
    "table.pack": "in Lua 5.1 it is {...}",
    "utf8": "Lua 5.1 has none",
    "bit32": "Lua 5.1 has none",
}
"""What Lua has elsewhere, and why not here."""


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Finds the mistakes of one chunk.

    ``members`` are those that any chunk of the script adds to a namespace, as dotted names.
    """

    root: Node
    meaning: Meaning
    open: Open
    members: Collection[str]

    def __iter__(self) -> Iterator[Mistake]:
        """All of them, in no order."""
        tested = {
            self.meaning.path(node)
            for node in self.root.walk()
            if (node.kind == "identifier" or node.kind in INDEXES) and use_of(node) == "tested"
        }
        for node in self.root.walk():
            if node.kind == "function_call":
                yield from self._call(node)
            elif node.kind == "identifier" or node.kind in INDEXES:
                path = self.meaning.path(node)
                if path and path not in tested and self._counts(node, path):
                    yield from self._name(node, path)

    def _counts(self, node: Node, path: Path) -> bool:
        """Whether a name that is nil would do harm here."""
        if node.kind == "method_index_expression":
            return False
        match use_of(node):
            case "assigned" | "tested":
                return False
            case "kept":
                return any(name.startswith(f"{path[0]}.") for name in self._bindings)
            case "passed":
                return ".".join(callee_of(node, self.meaning) or ()) not in _ASKS
        return True

    @property
    def _bindings(self) -> Collection[str]:
        return self.meaning.api.bindings

    def _name(self, node: Node, path: Path) -> Iterator[Mistake]:
        members = self.meaning.api.members
        if len(path) == 1 and path[0] not in members and not self.open.everything:
            if node.kind == "identifier" and self.meaning.names.of[node].is_local:
                return
            advice = f"define it with local {path[0]} = ..., or correct its name"
            yield node, _unknown(path[0], {*members, *self.meaning.names.all} - {path[0]}, advice)
        if len(path) != 2 or path[0] in self.open.tables or self.open.everything:
            return
        known = members.get(path[0])
        name = ".".join(path)
        if known is None or path[1] in known or name in self.members:
            return
        if node.kind in INDEXES:
            place = node.child("field") or node
            everywhere = {f"{path[0]}.{member}" for member in known} | {*self._bindings}
            yield place, _unknown(name, everywhere, "regbot lua-api lists all functions")

    def _call(self, call: Node) -> Iterator[Mistake]:
        called = self.meaning.called(call)
        if called is None:
            yield from self._method(call)
            return
        arguments = call.arguments
        required = required_count(called.parameters)
        if len(arguments) < required and not (arguments and arguments[-1].can_be_many):
            needs = f"{required} argument{'' if required == 1 else 's'}"
            what = f"{called.name} needs {needs}, and is given {len(arguments) or 'none'}"
            written = signature(called.binding, called.name, called.parameters)
            yield call.child("name") or call, f"{what} (write {written})"
        if called.binding.options and len(arguments) > len(called.parameters):
            yield from self._options(called, arguments[len(called.parameters)])

    def _method(self, call: Node) -> Iterator[Mistake]:
        """A method that an object of a known kind lacks."""
        callee = call.child("name")
        if callee is None or callee.kind != "method_index_expression":
            return
        table, name = callee.child("table"), callee.key
        kind = self.meaning.type_of(table) if table else ""
        methods = self.meaning.api.methods(kind)
        if name and methods:
            near = _nearest(name, methods)
            advice = f"did you mean {near}?" if near else f"its methods: {', '.join(methods)}"
            yield callee.child("method") or callee, f"a {kind} has no method {name} ({advice})"

    def _options(self, called: Called, table: Node) -> Iterator[Mistake]:
        if table.kind != "table_constructor":
            return
        known = [option.name for option in called.binding.options]
        for entry in table.children:
            if entry.key is not None and entry.key not in known:
                near = _nearest(entry.key, known)
                advice = f"did you mean {near}?" if near else f"known: {', '.join(known)}"
                yield entry, f"{called.name}: unknown option {entry.key!r} ({advice})"


def required_count(parameters: Sequence[Parameter]) -> int:
    """How many arguments a call has to have: up to the last that can't be nil."""
    needed = [
        position
        for position, parameter in enumerate(parameters, 1)
        if not parameter.optional and parameter.type.name != "any" and parameter.name != "..."
    ]
    return max(needed, default=0)


def _unknown(name: str, known: Collection[str], otherwise: str) -> str:
    outside = _OUTSIDE.get(name) or _OUTSIDE.get(name.partition(".")[0])
    near = None if outside else _nearest(name, known)
    advice = f"did you mean {near}?" if near else outside or otherwise
    return f"{name} is not defined ({advice})"


def _nearest(name: str, known: Collection[str]) -> str | None:
    by_lower = {other.lower(): other for other in sorted(known)}
    near = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.7)
    return by_lower[near[0]] if near else None
