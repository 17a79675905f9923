"""What to do about errors of Lua itself that scripts often meet."""

from __future__ import annotations

import re

_NIL = r"(?: \w+ '[^']*' \(a nil value\)| a nil value)"

_HINTS = (
    (
        r"attempt to compare (?:nil with \w+|\w+ with nil|two nil values)",
        "an absent label or date is nil; test it first: if label and label < ...",
    ),
    (rf"attempt to concatenate{_NIL}", 'it is absent; test it first, or write (label or "none")'),
    (rf"attempt to perform arithmetic on{_NIL}", "it is absent; test it first: if value then ..."),
    (rf"attempt to index{_NIL}", "it is absent; test it first: if value then ..."),
    (rf"attempt to call{_NIL}", "there is no such function; see regbot check and regbot lua-api"),
)


def with_hint(error: str) -> str:
    """The error of a script, with what to do in brackets where that is known."""
    for pattern, hint in _HINTS:
        if re.search(rf":\d+: {pattern}\Z", error):
            return f"{error} ({hint})"
    return error
