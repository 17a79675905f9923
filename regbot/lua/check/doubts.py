"""What may go wrong: a nil that is compared, and deletes that nothing limits."""

from __future__ import annotations

from collections.abc import Iterator

from regbot.lua.check.meaning import Meaning
from regbot.lua.check.names import Variable, use_of
from regbot.lua.check.openings import callee_of, is_caught, passed_to_pcall
from regbot.lua.check.tree import FUNCTIONS, INDEXES, Node
from regbot.values import dataclass

Doubt = tuple[Node, str]
"""Where it is, and what may go wrong, with what to do in brackets."""

_ORDERS = frozenset({"<", "<=", ">", ">="})
_LOOPS = ("for_statement", "while_statement", "repeat_statement")
_DELETES = frozenset({"tag.delete", "manifest.delete", "image.delete"})
_GUARD = "guard: {maxDeletes: 100}"
"""What to add to a config, ready to be pasted."""

_KEEPS_LIST = frozenset({"ipairs", "pairs", "table.sort", "table.concat", "parallel.map"})
"""Functions after which a list is as long as before."""


# A nil that is compared ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Finds values that may be nil, are compared, and are asked for nowhere."""

    root: Node
    meaning: Meaning

    def __iter__(self) -> Iterator[Doubt]:
        """All of them, in the order of the source."""
        tested = {node.text for node in self.root.walk() if self._is_tested(node)}
        for node in self.root.walk():
            if node.kind != "binary_expression" or node.operator not in _ORDERS:
                continue
            for side in (node.child("left"), node.child("right")):
                if not side or side.text in tested or not self._may_be_nil(side):
                    continue
                if not is_caught(node, self.meaning):
                    yield side, _nil(side, self.meaning.type_of(side))

    def _may_be_nil(self, node: Node) -> bool:
        """Whether it may be nil; of a call with a literal text, its author knows."""
        is_known = any(each.kind == "string" for each in node.arguments[:1])
        return not is_known and self.meaning.type_of(node).endswith("?")

    def _is_tested(self, node: Node) -> bool:
        """Whether a script asks at this place whether a value is there, or hands it on."""
        if node.kind != "identifier" and node.kind not in INDEXES:
            return False
        use = use_of(node)
        if use == "passed":
            callee = ".".join(callee_of(node, self.meaning) or ())
            return callee not in self.meaning.api.bindings
        return use == "tested"


def _nil(node: Node, kind: str) -> str:
    side = "a label that is absent" if kind == "label?" else "a value that is unknown"
    name = node.text if len(node.text) <= 30 and "\n" not in node.text else "value"
    return f"{side} is nil, which can't be compared (test it first: if {name} and {name} < ...)"


# Deletes that nothing limits ---------------------------------------------------------


def unguarded(name: str) -> str:
    """What is said of a script that deletes, and has no guard."""
    doubt = f"script {name!r} deletes, and no guard limits how much"
    return f"{doubt} (add {_GUARD} to the script, or under defaults for all)"


@dataclass(frozen=True, slots=True)
class Deletes:
    """Finds loops over all tags of a repository that delete each of them, under no condition."""

    root: Node
    meaning: Meaning

    def __iter__(self) -> Iterator[Doubt]:
        """All of them, in the order of the source."""
        for node in self.root.walk():
            deletes = node.kind == "function_call" and self._deletes(node)
            if deletes and self._takes_all(node):
                doubt = f"{deletes} in a loop over all tags, with no condition and no guard"
                yield node, f"{doubt} (add {_GUARD} to the config, or an if around it)"

    @property
    def first(self) -> Node | None:
        """The first call that deletes, wherever it is."""
        calls = (node for node in self.root.walk() if node.kind == "function_call")
        return next((call for call in calls if self._deletes(call)), None)

    def _deletes(self, call: Node) -> str:
        """The function that deletes here, called or given to ``pcall``; empty for none."""
        called = self.meaning.called(call)
        for argument in call.arguments[:1]:
            if passed_to_pcall(argument, self.meaning):
                called = self.meaning.named(argument)
        return called.name if called and called.binding.name in _DELETES else ""

    def _takes_all(self, call: Node) -> bool:
        inner = call
        for node in call.ancestors():
            if node.kind in ("if_statement", "while_statement", "repeat_statement"):
                return False
            if node.kind == "binary_expression":
                return False
            if _has_condition_before(node, inner):
                return False
            if node.kind == "for_statement":
                return self._is_over_all_tags(node.child("clause"))
            if node.kind in FUNCTIONS:
                return self._is_mapped_over_all_tags(node)
            inner = node
        return False

    def _is_mapped_over_all_tags(self, function: Node) -> bool:
        """Whether a function is given to ``parallel.map``, with a whole list of tags."""
        arguments = function.parent
        if arguments is None or use_of(function) != "passed":
            return False
        is_mapped = callee_of(function, self.meaning) == ("parallel", "map")
        return is_mapped and self._is_all_tags(arguments.children[0])

    def _is_over_all_tags(self, clause: Node | None) -> bool:
        """Whether a loop is over a whole list of tags: with ``ipairs``, or from 1 to ``#``."""
        if clause is None:
            return False
        first, last = clause.child("start"), clause.child("end")
        if first and last:
            counted = last.child("operand") if last.operator == "#" else None
            return counted is not None and first.text == "1" and self._is_all_tags(counted)
        expressions = clause.of_kind("expression_list")
        walk = expressions.children[0] if expressions else None
        callee = walk.child("name") if walk and walk.kind == "function_call" else None
        if walk is None or callee is None or not walk.arguments:
            return False
        walks = self.meaning.path(callee) in (("ipairs",), ("pairs",))
        return walks and self._is_all_tags(walk.arguments[0])

    def _is_all_tags(self, node: Node) -> bool:
        """Whether it is what ``tag.ls`` gave, as a whole."""
        if node.kind == "identifier":
            variable = self.meaning.names.of.get(node)
            value = variable.only_value if variable and variable.is_local else None
            if variable is None or value is None or not self._stays_whole(variable):
                return False
            return self._is_all_tags(value)
        called = self.meaning.called(node) if node.kind == "function_call" else None
        return bool(called and called.binding.name == "tag.ls" and len(node.arguments) == 1)

    def _stays_whole(self, list_of_tags: Variable) -> bool:
        return all(self._keeps_whole(use) for use in list_of_tags.uses)

    def _keeps_whole(self, use: Node) -> bool:
        match use_of(use):
            case "operand":
                return True
            case "indexed":
                return use.parent is not None and use_of(use.parent) != "assigned"
            case "passed":
                return ".".join(callee_of(use, self.meaning) or ()) in _KEEPS_LIST
        return False


def _has_condition_before(block: Node, statement: Node) -> bool:
    """Whether a condition comes before a statement in its block, which may jump over it."""
    if block.kind != "block":
        return False
    before = block.children[: block.children.index(statement)]
    return any(
        node.kind in ("if_statement", *_LOOPS) or node.kind == "goto_statement"
        for other in before
        for node in other.walk()
    )
