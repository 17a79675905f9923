"""Link headers, which say where the next page of a listing is (RFC 8288, section 3).

Registries write them in every form: relative or absolute targets, ``rel`` quoted
or not, several links in one header, other parameters in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field

from regbot.values import dataclass

_TARGET = re.compile(r"[\s,]*<([^>]*)>")
_PARAMETER = re.compile(
    r"""\s*;\s*(?:([^\s=;,"<>]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?)?""", re.DOTALL
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_REST = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|[^,])*""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Link:
    """One link: its target as written, and its parameters by lower-case name."""

    target: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def relations(self) -> frozenset[str]:
        """What the target is to the page, lower case."""
        return frozenset(self.parameters.get("rel", "").lower().split())


def parse_links(header: str) -> Iterator[Link]:
    """The links of a header, in order; what is no link is passed over."""
    position = 0
    while position < len(header):
        target = _TARGET.match(header, position)
        if target:
            parameters, position = _parameters(header, target.end())
            yield Link(target[1].strip(), parameters)
        rest = _REST.match(header, position)
        position = (rest.end() if rest else position) + 1


def _parameters(header: str, position: int) -> tuple[dict[str, str], int]:
    parameters: dict[str, str] = {}
    while parameter := _PARAMETER.match(header, position):
        name, quoted, plain = parameter.groups()
        if name:
            value = plain or "" if quoted is None else _ESCAPED.sub(r"\1", quoted)
            parameters.setdefault(name.lower(), value)
        position = parameter.end()
    return parameters, position


def next_link(header: str) -> str | None:
    """The target of the first link with ``rel=next``, or None at the last page."""
    return next((link.target for link in parse_links(header) if "next" in link.relations), None)
