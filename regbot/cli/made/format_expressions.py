"""What an action of a template stands for: fields, variables, texts, functions and pipes.

A field is found whatever the case of its name, and without its dots and underscores: both
``.RootFS.DiffIDs`` and ``.rootfs.diff_ids`` will do, and ``.GetMediaType`` is ``.mediaType``.
One that is missing is empty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from regbot.cli.made.format_functions import FUNCTIONS, text_of
from regbot.errors import InvalidValue, UsageError
from regbot.values import dataclass

_TOKEN = re.compile(
    r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<raw>`[^`]*`)|(?P<number>-?[0-9]+(?:\.[0-9]+)?)'
    r"|(?P<variable>\$\w*)|(?P<field>(?:\.\w+)+|\.)|(?P<name>[A-Za-z]\w*)|(?P<sign>:=|[|(),]))"
)
_CLOSE = re.compile(r"\s*(?P<trim>(?<=\s)-)?\}\}")
_METHOD = re.compile(r"(?:Get|Has|Is|Raw)[A-Z]\w*")
_SHORT_OF = ("and", "or")
"""These look at their values only as far as they have to."""
_CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "nil": None}
_MOST_NESTED = 30
_LONGEST = 1000
"""Characters of an action. Each of its fields and functions is worked out within the next."""

Token = tuple[str, str]
"""Its kind, and how it is written."""


def unsupported(text: str) -> UsageError:
    """Says what a template can't have."""
    return UsageError(f"--format: {text} is not supported (docs/commands.md lists what is)")


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression is worked out with.

    ``dot`` is the value that ``.`` stands for, and ``root`` the whole one, which has more
    ``fields`` than its own.
    """

    dot: Any
    variables: Mapping[str, Any]
    root: Any
    fields: Mapping[str, Any]


class Expression(Protocol):
    """A part of an action that has a value."""

    def value(self, scope: Scope) -> Any:  # noqa: ANN401 - any JSON value
        """What it stands for. Raises UsageError where it can't be worked out."""


@dataclass(frozen=True, slots=True)
class _Constant:
    """A text, a number, or a word such as true."""

    constant: Any

    def value(self, _scope: Scope) -> Any:  # noqa: ANN401
        return self.constant


@dataclass(frozen=True, slots=True)
class _Variable:
    """A variable, or ``$`` for the whole value; an empty name is ``.``."""

    name: str

    def value(self, scope: Scope) -> Any:  # noqa: ANN401
        return scope.variables[self.name] if self.name else scope.dot


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a value."""

    of: Expression
    name: str

    def value(self, scope: Scope) -> Any:  # noqa: ANN401
        value = self.of.value(scope)
        more = scope.fields if value is scope.root else {}
        fields = {**more, **value} if isinstance(value, Mapping) else more
        key = _key(fields, self.name)
        if key is not None:
            return fields[key]
        if _METHOD.fullmatch(self.name):
            raise unsupported(f".{self.name}")
        if value is not None and not isinstance(value, Mapping):
            raise UsageError(
                f"--format: there is no .{self.name} in {text_of(value)[:60]} (see --json)"
            )
        return None


@dataclass(frozen=True, slots=True)
class _Invocation:
    """A function with its arguments; a value that is piped to it is the last of them."""

    function: str
    arguments: tuple[Expression, ...]

    def value(self, scope: Scope) -> Any:  # noqa: ANN401
        if self.function in _SHORT_OF:
            value = None
            for argument in self.arguments:
                value = argument.value(scope)
                if bool(value) is (self.function == "or"):
                    break
            return value
        values = [argument.value(scope) for argument in self.arguments]
        try:
            return FUNCTIONS[self.function](*values)
        except InvalidValue as error:
            raise UsageError(f"--format: {self.function}: {error}") from None
        except (TypeError, ValueError, LookupError):
            raise UsageError(f"--format: {self.function} can't be used like this") from None


def _key(fields: Mapping[str, Any], name: str) -> str | None:
    """The key of a field, however it is written."""
    if name in fields:
        return name
    names = (_plain(name), _plain(name).removeprefix("get"))
    alike = (key for each in names for key in fields if _plain(key) == each)
    return next(alike, None)


def _plain(name: str) -> str:
    return name.replace("_", "").replace(".", "").lower()


def tokens_of(text: str, position: int) -> tuple[tuple[Token, ...], re.Match[str]]:
    """What is written from here to ``}}``, and the place of that. Raises UsageError."""
    tokens: list[Token] = []
    begin = position
    while (closing := _CLOSE.match(text, position)) is None:
        token = _TOKEN.match(text, position)
        rest = text[position:].strip()
        if not rest:
            raise UsageError("--format: {{ without }} (close it)")
        if token is None:
            odd = rest.partition("}}")[0].strip()[:40]
            raise UsageError(f"--format: {odd!r} can't be read (docs/commands.md lists what can)")
        kind = token.lastgroup or ""
        begins = token.start(kind)
        is_next = begins == position and bool(tokens) and _has_fields(tokens[-1])
        tokens.append(("field of" if kind == "field" and is_next else kind, token[kind]))
        position = token.end()
        if position - begin > _LONGEST:
            raise UsageError(f"--format: more than {_LONGEST} characters between {{{{ and }}}}")
    return tuple(tokens), closing


def _has_fields(token: Token) -> bool:
    """Whether a field right after it is a field of it."""
    kind, text = token
    return kind == "variable" or text == ")"


def expression_of(tokens: Sequence[Token], variables: frozenset[str]) -> Expression:
    """What the tokens stand for, where these variables are known. Raises UsageError."""
    reading = _Reading(tokens, variables)
    expression = reading.pipeline(0)
    if reading.left:
        raise UsageError(f"--format: {reading.left[0][1]!r} is too much here")
    return expression


class _Reading:
    """One action that is read."""

    def __init__(self, tokens: Sequence[Token], variables: frozenset[str]) -> None:
        self.left = list(tokens)
        self._variables = variables

    def pipeline(self, nesting: int) -> Expression:
        """A command, and others that it is piped to."""
        if nesting > _MOST_NESTED:
            raise UsageError("--format: it is nested too deep")
        expression = self._command(nesting, ())
        while self.left and self.left[0][1] == "|":
            self.left.pop(0)
            expression = self._command(nesting, (expression,))
        return expression

    def _command(self, nesting: int, piped: tuple[Expression, ...]) -> Expression:
        kind, name = self.left[0] if self.left else ("", "")
        if kind != "name" or name in _CONSTANTS:
            if piped:
                raise UsageError(f"--format: | needs a function, not {name or 'nothing'}")
            return self._operand(nesting)
        self.left.pop(0)
        if name not in FUNCTIONS and name not in _SHORT_OF:
            known = ", ".join(sorted({*FUNCTIONS, *_SHORT_OF}))
            raise UsageError(f"--format: no function {name!r} (known: {known})")
        arguments: list[Expression] = []
        while self.left and self.left[0][1] not in ("|", ")"):
            arguments.append(self._operand(nesting))
        return _Invocation(name, (*arguments, *piped))

    def _operand(self, nesting: int) -> Expression:
        if not self.left:
            raise UsageError("--format: a value is missing (write one such as {{.Digest}})")
        kind, text = self.left.pop(0)
        match kind:
            case "string" | "number":
                return _Constant(_literal(text))
            case "raw":
                return _Constant(text[1:-1])
            case "field":
                return _field(_Variable(""), text)
            case "variable" if text in self._variables:
                return self._fields_of(_Variable(text))
            case "variable":
                raise UsageError(f"--format: there is no variable {text} (:= makes one)")
            case "name" if text in _CONSTANTS:
                return _Constant(_CONSTANTS[text])
        if text != "(":
            raise UsageError(f"--format: {text!r} is not expected here")
        expression = self.pipeline(nesting + 1)
        if not self.left or self.left.pop(0)[1] != ")":
            raise UsageError("--format: ( without )")
        return self._fields_of(expression)

    def _fields_of(self, expression: Expression) -> Expression:
        """The fields that follow a variable or a bracket."""
        if self.left and self.left[0][0] == "field of":
            return _field(expression, self.left.pop(0)[1])
        return expression


def _field(expression: Expression, path: str) -> Expression:
    """What a path such as ``.Config.Labels`` leads to."""
    for name in filter(None, path.split(".")):
        expression = _Field(expression, name)
    return expression


def _literal(text: str) -> Any:  # noqa: ANN401
    """A text in quotes, with the escapes of JSON, or a number."""
    try:
        return json.loads(text)
    except ValueError:
        raise UsageError(
            f"--format: {text[:40]} can't be read (escapes are those of JSON)"
        ) from None
