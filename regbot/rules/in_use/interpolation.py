"""Variables in Compose files: ``$NAME``, ``${NAME:-default}`` and the like.

Compose specification, "Interpolation". A variable that is not set stands for nothing
there; here it is an error, since the image it names can't be known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from regbot.errors import InvalidValue

_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|(?P<plain>[A-Za-z_]\w*)|(?P<open>\{))", re.ASCII)
_NAME = re.compile(r"(?P<name>[A-Za-z_]\w*)(?P<how>:?[-?+])?", re.ASCII)
_DEEPEST = 20


Variables = Mapping[str, str | None]
"""Values by name; None for one that is set to something regbot does not understand."""


def interpolated(text: str, environ: Variables, *, depth: int = 0) -> str:
    """The text with its variables filled in. Raises InvalidValue for one that can't be."""
    if depth > _DEEPEST:
        raise InvalidValue(f"the variables of {text!r} are nested too deep")
    parts, end = [], 0
    while match := _VARIABLE.search(text, end):
        parts.append(text[end : match.start()])
        end = match.end()
        if match["dollar"]:
            parts.append("$")
        elif match["plain"]:
            parts.append(_value(match["plain"], environ))
        else:
            close = _closing(text, end)
            parts.append(_braced(text[end:close], environ, depth))
            end = close + 1
    rest = text[end:]
    if "$" in rest or any("$" in part for part in parts[::2]):
        raise InvalidValue(f"a variable in {text!r} can't be read")
    return "".join([*parts, rest])


def _closing(text: str, start: int) -> int:
    """Where the brace that was opened before ``start`` closes."""
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
    raise InvalidValue(f"a brace in {text!r} is not closed")


def _braced(body: str, environ: Variables, depth: int) -> str:
    match = _NAME.match(body)
    how = match["how"] if match else None
    if match is None or (how is None and match.end() != len(body)):
        raise InvalidValue(f"a variable in {'${' + body + '}'!r} can't be read")
    name, other = match["name"], body[match.end() :]
    if how is None:
        return _value(name, environ)
    value = _value(name, environ) if name in environ else ""
    is_set = name in environ and (value != "" or not how.startswith(":"))
    if how.endswith("+"):
        return interpolated(other, environ, depth=depth + 1) if is_set else ""
    if is_set:
        return value
    if how.endswith("?"):
        raise InvalidValue(f"the variable {name} is not set")
    return interpolated(other, environ, depth=depth + 1)


def _value(name: str, environ: Variables) -> str:
    if name not in environ:
        raise InvalidValue(f"the variable {name} is not set")
    value = environ[name]
    if value is None:
        raise InvalidValue(f"the value of the variable {name} can't be read")
    return value
