"""What to do about errors of Lua itself that scripts often meet: mostly a nil.

Lua's error says at which line, and at best which field. The script's text says what stands
there, so the hint names it as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from regbot.values import dataclass

if TYPE_CHECKING:
    from regbot.lua.check.names import Names
    from regbot.lua.check.tree import Node

_NIL = r"(?: \w+ '(?P<name>[^']*)' \(a nil value\)| a nil value)"
_NO_FUNCTION = "there is no such function; see regbot check and regbot lua-api"
_LABEL = re.compile(r"\bLabels\s*[.\[]")
_LONGEST_NAME = 40
_LONGEST_TEXT = 80
_LONGEST_SOURCE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Case:
    """One of Lua's errors: its ``text``, and the operators at which it arises.

    ``advice`` has {0} for the name of what is nil. ``operators`` of an index are none.
    """

    text: str
    advice: str
    operators: frozenset[str] = frozenset()
    index: bool = False


_CASES = (
    _Case(
        r"attempt to compare (?:(?P<first>\w+) with \w+|two nil values)",
        "test it first: if {0} and {0} < ...",
        frozenset({"<", "<=", ">", ">="}),
    ),
    _Case(
        rf"attempt to concatenate{_NIL}",
        'test it first, or write ({0} or "none")',
        frozenset({".."}),
    ),
    _Case(
        rf"attempt to perform arithmetic on{_NIL}",
        "test it first: if {0} then ...",
        frozenset({"+", "-", "*", "/", "%", "^"}),
    ),
    _Case(rf"attempt to get length of{_NIL}", "write #({0} or {{}})", frozenset({"#"})),
    _Case(
        rf"attempt to index{_NIL}",
        'test it first: if {0} then ..., or write ({0} or {{}})["..."]',
        index=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Text:
    """A script as its errors count it: called ``name``, its lines from ``line``."""

    source: bytes
    name: str
    line: int = 1


def with_hint(error: str, text: Text, last_read: Callable[[], str]) -> str:
    """The error of a script, with what was nil and what to do in brackets, where that is known.

    ``last_read`` gives the image whose config the script read last, or nothing.
    """
    if re.search(rf":\d+: attempt to call{_NIL}\Z", error):
        return f"{error} ({_NO_FUNCTION})"
    for case in _CASES:
        match = re.search(rf"\A(?P<file>.*):(?P<line>\d+): {case.text}\Z", error, re.DOTALL)
        if match and "nil" in match[0][match.end("line") :]:
            return f"{error} ({_hint(case, match, text, last_read())})"
    return error


def _hint(case: _Case, match: re.Match[str], text: Text, image: str) -> str:
    nil = None
    if f": {match['file']}".endswith(f": {text.name}"):
        nil = _nil_in(text.source, int(match["line"]) - text.line, case, match.groupdict())
    if nil is None:
        return f"a label or date that is absent is nil; {case.advice.format('value')}"
    name, value = nil
    is_label = _LABEL.search(value)
    why = ""
    if is_label:
        why = ", for there is no such label"
        why += f" (the config read last is that of {image})" if image else ""
    shown = value if len(value) <= _LONGEST_TEXT else name
    short = name if len(name) <= _LONGEST_NAME else "value"
    return f"{shown} is nil{why}; {case.advice.format(short)}"


def _nil_in(
    source: bytes, row: int, case: _Case, groups: dict[str, str | None]
) -> tuple[str, str] | None:
    """What is nil in a row of a script: as it is written there, and what it stands for.

    None where that can't be told from the text.
    """
    from regbot.lua.check.names import Names
    from regbot.lua.check.tree import parse

    try:
        root = parse(source) if len(source) <= _LONGEST_SOURCE else None
        names = Names(root) if root else None
    except RecursionError:
        return None
    if root is None or names is None:
        return None
    nodes = list(_candidates(root, row, case, groups))
    if len({node.text for node in nodes}) != 1:
        return None
    return " ".join(nodes[0].text.split()), _stands_for(nodes[0], names)


def _candidates(root: Node, row: int, case: _Case, groups: dict[str, str | None]) -> Iterator[Node]:
    from regbot.lua.check.tree import INDEXES

    lines = root.source.split(b"\n")
    start = sum(len(line) + 1 for line in lines[:row])
    end = start + len(lines[row]) if 0 <= row < len(lines) else start
    for node in root.walk():
        if node.start > end or node.end < start:
            continue
        if case.index and node.kind in INDEXES:
            operands = [node.child("table")]
        elif node.operator in case.operators:
            operands = [node.child(role) for role in ("left", "right", "operand")]
        else:
            continue
        present = [operand for operand in operands if operand]
        yield from _may_be_nil(present, node.operator, groups)


def _may_be_nil(
    operands: list[Node], operator: str, groups: dict[str, str | None]
) -> Iterator[Node]:
    """The operands that Lua's error is about. It tells those of > in the order of <."""
    if "first" in groups:
        if groups["first"] is None:
            yield from operands
            return
        is_first = (groups["first"] == "nil") != (operator in {">", ">="})
        yield operands[0 if is_first else -1]
        return
    for operand in operands:
        name = operand.text if operand.kind == "identifier" else operand.key
        if name is not None and groups.get("name") in (None, "?", name):
            yield operand


def _stands_for(node: Node, names: Names) -> str:
    """The text of an expression, or of the only value that a variable has."""
    variable = names.of.get(node)
    value = variable.only_value if variable and variable.is_local else None
    return " ".join((value or node).text.split())
