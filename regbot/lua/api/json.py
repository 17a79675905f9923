"""``json.*``: JSON text to Lua values and back."""

from __future__ import annotations

import json
import re

from regbot.errors import InvalidValue
from regbot.lua.binding import ANY, BOOLEAN, TEXT, Binding, LocalContext, Parameter, Passed, plain

_LARGEST_INTEGER = 2**63
_LONGEST_INTEGER = 20
"""Characters that an integer of 64 bits has at the most, its sign included."""
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""An escape in a JSON text; its group is one half of a surrogate pair that stands alone."""


def _decode(context: LocalContext, text: str) -> Passed:
    if len(text) > context.document_limit:
        limit = context.document_limit
        raise InvalidValue(f"a text of {len(text)} bytes is longer than blobLimit, {limit}")
    try:
        value = json.loads(text, parse_int=_integer, parse_constant=_not_json)
    except RecursionError:
        raise InvalidValue("the JSON is nested too deep") from None
    except json.JSONDecodeError as error:
        raise InvalidValue(f"not JSON: line {error.lineno}, column {error.colno}") from None
    half = next((escape[1] for escape in _ESCAPE.finditer(text) if escape[1]), None)
    if half:
        raise InvalidValue(f"the JSON has half of a surrogate pair, {half}, which is no character")
    return plain(value)


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER or not -_LARGEST_INTEGER <= int(digits) < _LARGEST_INTEGER:
        raise InvalidValue(f"the JSON has an integer of more than 64 bits, {digits[:30]}")
    return int(digits)


def _not_json(name: str) -> float:
    raise InvalidValue(f"not JSON: {name}")


def _encode(_context: LocalContext, value: object, *, indent: bool) -> Passed:
    separators = None if indent else (",", ":")
    text = json.dumps(
        value, ensure_ascii=False, indent=2 if indent else None, separators=separators
    )
    return plain(text)


BINDINGS = (
    Binding(
        name="json.decode",
        doc="The Lua value of a JSON text. null becomes nil. The text may be as long as the"
        " config's blobLimit. An integer of more than 64 bits and half a surrogate pair are"
        " errors.",
        parameters=(Parameter("text", TEXT, "JSON"),),
        run=_decode,
        local=True,
        result="any",
    ),
    Binding(
        name="json.encode",
        doc="The JSON text of a value. An empty table becomes {}. A reference, a manifest or"
        " another object of regbot's becomes its text.",
        parameters=(Parameter("value", ANY, "nil, boolean, number, string or table"),),
        options=(
            Parameter(
                "indent", BOOLEAN, "indent the text, with a line for each value", default=False
            ),
        ),
        run=_encode,
        local=True,
        result="string",
    ),
)
