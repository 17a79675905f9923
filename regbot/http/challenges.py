"""WWW-Authenticate headers (RFC 9110, section 11.6.1): what a server asks for.

One header may hold several challenges and several headers may come, joined by
commas; the same commas part the parameters of one challenge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field

from regbot.values import dataclass

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105
_SEPARATOR = re.compile(r"[\s,]*")
_SCHEME = re.compile(_TOKEN)
_PARAMETER = re.compile(
    rf'({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)(?:"|$)|([^\s,]*))', re.DOTALL
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Challenge:
    """A scheme, lower case, and its parameters by lower-case name."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """All challenges in order. Rubbish is passed over, never an error."""
    challenges: list[tuple[str, dict[str, str]]] = []
    position = 0
    while position < len(header):
        separator = _SEPARATOR.match(header, position)
        position = separator.end() if separator else position
        if parameter := _PARAMETER.match(header, position):
            name, quoted, plain = parameter.groups()
            value = plain if quoted is None else _ESCAPED.sub(r"\1", quoted)
            if challenges:
                challenges[-1][1].setdefault(name.lower(), value)
            position = parameter.end()
        elif scheme := _SCHEME.match(header, position):
            challenges.append((scheme[0].lower(), {}))
            position = scheme.end()
        else:
            position += 1
    return tuple(Challenge(scheme, parameters) for scheme, parameters in challenges)
