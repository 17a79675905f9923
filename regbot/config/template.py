"""Templates in the syntax of Go, as far as a config needs them.

Supported are functions, strings, pipes, parentheses, comments, trim markers, and fields of
the data that is given, but no variables or control structures. As in Go, a piped value
becomes the last argument. Errors never contain anything read from the environment or from a
file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from regbot.config.document import Mistake
from regbot.errors import InvalidValue
from regbot.files import open_regular

Value = str | list[str]

_OPEN = re.compile(r"\{\{(?:-(?=\s))?")
_CLOSE = re.compile(r"(?P<trim>\s+-)?\}\}")
_COMMENT = re.compile(r"\s*/\*.*?\*/(?=\s+-\}\}|\}\})", re.DOTALL)
_TOKEN = re.compile(
    r'(?P<space>\s+)|(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<raw>`[^`]*`)'
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<field>(?:\.[A-Za-z_][A-Za-z0-9_]*)+)|(?P<sign>[|()])"
)
_ESCAPE = re.compile(
    r"\\(?:(?P<plain>[abfnrtv\\\"])|(?P<octal>[0-3][0-7]{2})|x(?P<hex>[0-9a-fA-F]{2})"
    r"|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8}))|(?P<bad>\\)|(?P<text>[^\\]+)"
)
_PLAIN = dict(zip('abfnrtv\\"', '\a\b\f\n\r\t\v\\"', strict=True))
_MAX_FILE = 1024 * 1024
_MAX_NESTING = 20


def render(
    text: str,
    environ: Mapping[str, str],
    note_file: Callable[[Path], None] = lambda _: None,
    *,
    fields: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The text with its ``{{ }}`` replaced; ``fields`` are data by names such as ``.Ref.Tag``.

    Names of files are relative to the current folder; ``note_file`` is told of each. Raises
    Mistake with an offset.
    """
    parts: list[str] = []
    position = 0
    trim = False
    functions = _functions(environ, note_file)
    while (opening := _OPEN.search(text, position)) is not None:
        literal = text[position : opening.start()]
        literal = literal.lstrip() if trim else literal
        parts.append(literal.rstrip() if opening[0].endswith("-") else literal)
        action = _Action(text, opening, functions, fields)
        parts.append(action.render())
        position, trim = action.end, action.trims
    rest = text[position:]
    parts.append(rest.lstrip() if trim else rest)
    return "".join(parts)


class _Action:
    """The part between ``{{`` and ``}}``."""

    def __init__(
        self,
        text: str,
        opening: re.Match[str],
        functions: _Functions,
        fields: Mapping[str, str],
    ) -> None:
        self._functions = functions
        self._fields = fields
        self._start = opening.start()
        self._tokens: list[tuple[str, str, int]] = []
        self._next = 0
        comment = _COMMENT.match(text, opening.end())
        self._is_comment = comment is not None
        position = comment.end() if comment else opening.end()
        while (closing := _CLOSE.match(text, position)) is None:
            token = _TOKEN.match(text, position)
            if token is None and position >= len(text.rstrip()):
                raise Mistake("template: {{ without }} (close it)", self._start)
            if token is None:
                raise Mistake(
                    "template: syntax error (use functions, strings, | and parentheses)",
                    position,
                )
            if token.lastgroup != "space":
                self._tokens.append((token.lastgroup or "", token[0], position))
            position = token.end()
        self.end = closing.end()
        self.trims = closing["trim"] is not None

    def render(self) -> str:
        """The text that replaces this action."""
        if self._is_comment:
            return ""
        value = self._pipeline(0)
        if self._next < len(self._tokens):
            raise Mistake("template: ) without ( (remove it)", self._place())
        if not isinstance(value, str):
            raise Mistake("template: the result is a list, not a string (use join)", self._start)
        return value

    def _pipeline(self, nesting: int) -> Value:
        if nesting > _MAX_NESTING:
            raise Mistake("template: too many nested parentheses (make it simpler)", self._place())
        value = self._command(nesting, ())
        while self._peek() == "|":
            self._next += 1
            value = self._command(nesting, (value,))
        return value

    def _command(self, nesting: int, piped: tuple[Value, ...]) -> Value:
        if self._peek() in ("", "|", ")"):
            raise Mistake(
                "template: a value is missing (write one such as env `NAME`)", self._place()
            )
        kind, name, place = self._tokens[self._next]
        if kind == "name":
            self._next += 1
            return self._call(name, place, nesting, piped)
        value = self._operand(nesting)
        if piped or self._peek() not in ("", "|", ")"):
            raise Mistake("template: only a function takes arguments (remove them)", place)
        return value

    def _call(self, name: str, place: int, nesting: int, piped: tuple[Value, ...]) -> Value:
        if name not in self._functions:
            known = ", ".join(self._functions)
            raise Mistake(f"template: no such function (use one of {known})", place)
        arguments: list[Value] = []
        while self._peek() not in ("", "|", ")"):
            arguments.append(self._operand(nesting))
        count, function = self._functions[name]
        arguments.extend(piped)
        if len(arguments) != count:
            raise Mistake(
                f"template: {name} takes {count} argument{'s' if count > 1 else ''},"
                f" not {len(arguments)} (arguments follow the name or come from |)",
                place,
            )
        try:
            return function(*arguments)
        except InvalidValue as error:
            raise Mistake(f"template: {name}: {error}", place) from None

    def _operand(self, nesting: int) -> Value:
        kind, text, place = self._tokens[self._next]
        self._next += 1
        if kind == "string":
            return _unescape(text[1:-1], place)
        if kind == "raw":
            return text[1:-1]
        if kind == "field":
            return self._field(text, place)
        if text != "(":
            raise Mistake(
                "template: a function call as an argument needs parentheses (put it in them)", place
            )
        value = self._pipeline(nesting + 1)
        if self._peek() != ")":
            raise Mistake("template: ( without ) (close it)", place)
        self._next += 1
        return value

    def _field(self, name: str, place: int) -> str:
        if name not in self._fields:
            known = ", ".join(self._fields)
            hint = f"the fields are {known}" if known else "use a function such as env"
            raise Mistake(f"template: there is no {name} here ({hint})", place)
        return self._fields[name]

    def _peek(self) -> str:
        return self._tokens[self._next][1] if self._next < len(self._tokens) else ""

    def _place(self) -> int:
        return self._tokens[self._next][2] if self._next < len(self._tokens) else self._start


def _unescape(body: str, place: int) -> str:
    r"""An interpreted string of Go; ``\xff`` and octal escapes are bytes of UTF-8."""
    out = bytearray()
    try:
        for part in _ESCAPE.finditer(body):
            code = part["short"] or part["long"]
            if part["bad"]:
                raise Mistake(
                    "template: unknown escape sequence in a string (use backquotes)", place
                )
            if code:
                out += chr(int(code, 16)).encode()
            elif part["hex"] or part["octal"]:
                out.append(int(part["hex"], 16) if part["hex"] else int(part["octal"], 8))
            else:
                out += (part["text"] or _PLAIN[part["plain"]]).encode()
        return out.decode()
    except (ValueError, OverflowError):
        raise Mistake(
            "template: the escape sequences of a string are not UTF-8 (use backquotes)", place
        ) from None


_Functions = dict[str, tuple[int, Callable[..., Value]]]


def _functions(environ: Mapping[str, str], note_file: Callable[[Path], None]) -> _Functions:
    """The functions by name, each with its number of arguments."""

    def file(name: Value) -> str:
        path = Path(_text(name))
        note_file(path)
        return _file(path)

    return {
        "env": (1, lambda name: environ.get(_text(name), "")),
        "file": (1, file),
        "default": (2, lambda fallback, value: value or fallback),
        "lower": (1, lambda value: _text(value).lower()),
        "upper": (1, lambda value: _text(value).upper()),
        "trimSpace": (1, lambda value: _text(value).strip()),
        "join": (2, lambda parts, separator: _text(separator).join(_list(parts))),
        "split": (2, _split),
        "json": (1, lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))),
    }


def _text(value: Value) -> str:
    if not isinstance(value, str):
        raise InvalidValue("expected a string, not a list (use join)")
    return value


def _list(value: Value) -> list[str]:
    if isinstance(value, str):
        raise InvalidValue("expected a list and a separator (split returns a list)")
    return value


def _split(value: Value, separator: Value) -> list[str]:
    text = _text(value)
    return text.split(separator) if (separator := _text(separator)) else list(text)


def _file(path: Path) -> str:
    """A file's text, stripped, because mounted secrets often end with a newline."""
    try:
        with open_regular(path) as stream:
            content = stream.read(_MAX_FILE + 1)
    except OSError as error:
        raise InvalidValue(f"can't read the file: {error.strerror} (check its name)") from None
    except ValueError:
        raise InvalidValue("can't read the file: its name is not valid (correct it)") from None
    if len(content) > _MAX_FILE:
        raise InvalidValue("can't read the file: it is larger than 1MiB (name another)")
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        raise InvalidValue("can't read the file: it is not UTF-8 text (name another)") from None
