"""``json.*``: JSON text to Lua values and back."""

from __future__ import annotations

import json

from regbot.errors import InvalidValue
from regbot.lua.api.context import Context
from regbot.lua.binding import ANY, BOOLEAN, STRING, Binding, Parameter, Passed, plain


def _decode(_context: Context, text: str) -> Passed:
    try:
        return plain(json.loads(text))
    except RecursionError:
        raise InvalidValue("the JSON is nested too deep") from None
    except ValueError as error:
        raise InvalidValue(f"not JSON: {error}") from None


def _encode(_context: Context, value: object, *, indent: bool) -> Passed:
    separators = None if indent else (",", ":")
    text = json.dumps(
        value, ensure_ascii=False, indent=2 if indent else None, separators=separators
    )
    return plain(text)


BINDINGS = (
    Binding(
        name="json.decode",
        doc="The Lua value of a JSON text. null is nil.",
        parameters=(Parameter("text", STRING, "JSON"),),
        run=_decode,
        result="any",
    ),
    Binding(
        name="json.encode",
        doc="The JSON text of a value. An empty table is an object.",
        parameters=(Parameter("value", ANY, "nil, boolean, number, string or table"),),
        options=(Parameter("indent", BOOLEAN, "over several lines", default=False),),
        run=_encode,
        result="string",
    ),
)
