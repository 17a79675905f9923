"""The template of ``--format``: what people use of Go's templates.

    {{.Digest}}  {{.Config.Labels}}  {{index .Config.Labels "a.b"}}  {{(index .Layers 0).Size}}
    {{range .Layers}}{{println .Digest}}{{end}}  {{if eq .OS "linux"}}...{{else}}...{{end}}

What an action may have is in ``format_expressions``, and the functions in ``format_functions``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from regbot.cli.made.format_expressions import (
    Expression,
    Scope,
    Token,
    expression_of,
    tokens_of,
    unsupported,
)
from regbot.cli.made.format_functions import text_of
from regbot.errors import UsageError
from regbot.values import dataclass

_OPEN = re.compile(r"\{\{(?:-(?=\s))?")
_COMMENT = re.compile(r"\s*/\*.*?\*/\s*", re.DOTALL)
_UNSUPPORTED = ("block", "break", "continue", "define", "template")
_MOST_NESTED = 30
_NO_FIELDS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Text:
    """A text as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class _Action:
    """What is between ``{{`` and ``}}``."""

    tokens: tuple[Token, ...]
    text: str

    @property
    def word(self) -> str:
        """What it begins with, where that is a name."""
        kind, word = self.tokens[0] if self.tokens else ("", "")
        return word if kind == "name" else ""


@dataclass(frozen=True, slots=True)
class _Value:
    """A value that is written in place of an action, or given to a variable."""

    expression: Expression
    variable: str = ""


@dataclass(frozen=True, slots=True)
class _Block:
    """A part for each item of a value, or for a value that is there; else another part.

    ``variables`` are given the value or item; of two, the first is its key or number.
    """

    kind: str
    variables: tuple[str, ...]
    expression: Expression
    inner: tuple[_Node, ...]
    other: tuple[_Node, ...]


_Node = _Text | _Value | _Block


class Template:
    """A template that was read. Raises UsageError for a mistake in it."""

    def __init__(self, text: str) -> None:
        reader = _Reader(text)
        self._nodes = reader.nodes(frozenset("$"), 0)
        if reader.part:
            raise UsageError(f"--format: {{{{{reader.part.text}}}}} without its beginning")

    def render(self, value: Any, fields: Mapping[str, Any] = _NO_FIELDS) -> str:  # noqa: ANN401
        """The template with a JSON value filled in. Raises UsageError where it can't be.

        ``fields`` are found beside those of the value itself.
        """
        return "".join(_written(self._nodes, Scope(value, {"$": value}, value, fields)))


def _written(nodes: Sequence[_Node], scope: Scope) -> Iterator[str]:
    for node in nodes:
        match node:
            case _Text():
                yield node.text
            case _Value(variable=""):
                yield text_of(node.expression.value(scope))
            case _Value():
                scope = _with(scope, (node.variable,), "", node.expression.value(scope))
            case _Block():
                operand = node.expression.value(scope)
                for key, item in _items(node.kind, operand):
                    inner = _with(scope, node.variables, key, item)
                    inner = inner if node.kind == "if" else replace(inner, dot=item)
                    yield from _written(node.inner, inner)
                if not operand:
                    yield from _written(node.other, scope)


def _with(scope: Scope, names: Sequence[str], key: Any, value: Any) -> Scope:  # noqa: ANN401
    values = dict(zip(names, (key, value)[-len(names) :] if names else (), strict=True))
    return replace(scope, variables={**scope.variables, **values})


def _items(kind: str, operand: Any) -> Sequence[tuple[Any, Any]]:  # noqa: ANN401
    """What a block is written for, each with its key, or its number from 0."""
    if not operand:
        return ()
    if kind != "range":
        return (("", operand),)
    if isinstance(operand, Mapping):
        return sorted(operand.items())
    if not isinstance(operand, list):
        raise UsageError(f"--format: range needs a list, not {text_of(operand)}")
    return tuple(enumerate(operand))


class _Reader:
    """Makes nodes of the parts of a template."""

    def __init__(self, text: str) -> None:
        self._parts = _parts(text)
        self.part: _Action | None = None
        """The ``end`` or ``else`` that the nodes before it end with; None at the end of all."""

    def nodes(self, variables: frozenset[str], nesting: int) -> tuple[_Node, ...]:
        """The nodes up to the end of the block that they are in. Raises UsageError."""
        if nesting > _MOST_NESTED:
            raise UsageError("--format: it is nested too deep")
        nodes: list[_Node] = []
        self.part = None
        for part in self._parts:
            if isinstance(part, _Text):
                nodes.append(part)
            elif part.word in ("end", "else"):
                self.part = part
                break
            elif part.word in _UNSUPPORTED:
                raise unsupported(part.word)
            elif part.word in ("if", "range", "with"):
                nodes.append(self._block(part, part.tokens, variables, nesting))
                self.part = None
            else:
                names, expression = _assigned(part.tokens, variables, most=1)
                nodes.append(_Value(expression, *names))
                variables |= set(names)
        return tuple(nodes)

    def _block(
        self, opening: _Action, tokens: Sequence[Token], variables: frozenset[str], nesting: int
    ) -> _Block:
        kind = tokens[0][1]
        names, expression = _assigned(tokens[1:], variables, most=2 if kind == "range" else 1)
        inner = self.nodes(variables | set(names), nesting + 1)
        other: tuple[_Node, ...] = ()
        ending = self.part
        if ending and ending.word == "else" and len(ending.tokens) > 1:
            if ending.tokens[1][1] not in ("if", "with"):
                raise unsupported(ending.text)
            other = (self._block(opening, ending.tokens[1:], variables, nesting + 1),)
        elif ending and ending.word == "else":
            other = self.nodes(variables, nesting + 1)
        if not self.part or self.part.word != "end":
            raise UsageError(f"--format: {{{{{opening.text}}}}} without {{{{end}}}}")
        return _Block(kind, names, expression, inner, other)


def _assigned(
    tokens: Sequence[Token], variables: frozenset[str], *, most: int
) -> tuple[tuple[str, ...], Expression]:
    """The variables that are given a value by ``:=``, and the value."""
    words = [word for _, word in tokens]
    names = tuple(words[: words.index(":=")]) if ":=" in words else ()
    rest = tokens[len(names) + 1 :] if names else tokens
    names = tuple(name for name in names if name != ",")
    if len(names) > most or not all(re.fullmatch(r"\$\w+", name) for name in names):
        raise UsageError("--format: := follows one variable, after range one or two")
    return names, expression_of(rest, variables)


def _parts(text: str) -> Iterator[_Text | _Action]:
    """Texts and actions, as they follow one another. Raises UsageError."""
    position = 0
    trims = False
    while (opening := _OPEN.search(text, position)) is not None:
        literal = text[position : opening.start()]
        literal = literal.lstrip() if trims else literal
        yield _Text(literal.rstrip() if opening[0].endswith("-") else literal)
        comment = _COMMENT.match(text, opening.end())
        begin = comment.end() if comment else opening.end()
        tokens, closing = tokens_of(text, begin)
        if comment and not tokens:
            position, trims = closing.end(), closing["trim"] is not None
            continue
        yield _Action(tokens, text[begin : closing.start()].strip())
        position, trims = closing.end(), closing["trim"] is not None
    rest = text[position:]
    yield _Text(rest.lstrip() if trims else rest)
