"""Where an entry under ``sync`` cleans up, no other one may copy to: it would delete that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from posixpath import normpath

from regbot.config.document import Document, ListNode, MappingNode, Problem
from regbot.config.sync import SyncEntry
from regbot.config.values import Repositories
from regbot.errors import InvalidValue
from regbot.oci.patterns import Pattern
from regbot.oci.reference import Reference, names_of_registry
from regbot.values import dataclass

_LITERAL = re.compile(r"(?:(?:[a-z0-9/_-]|\\[.-])(?![?*{]))*")
"""The characters that an expression begins with, and that each name it fits begins with."""


def check_targets(document: Document, entries: Sequence[SyncEntry]) -> Iterator[Problem]:
    """The entries that would delete what another one copies, as far as a config tells.

    Of a registry the repositories are not known: two of them count where any name that the
    patterns don't rule out would do. Entries with mistakes of their own are passed over.
    """
    _, listed = document.find(("sync",))
    nodes = listed.items if isinstance(listed, ListNode) else ()
    numbers = [number for number, node in enumerate(nodes) if isinstance(node, MappingNode)]
    targets = [
        _Target(number, entry)
        for number, entry in zip(numbers, entries, strict=True)
        if entry.is_sound
    ]
    for target in targets:
        if not target.entry.cleanup:
            continue
        others = (other for other in targets if other is not target)
        shared = next(filter(None, (_shared(target, other, document) for other in others)), "")
        if shared:
            yield Problem(document.key(("sync", target.number, "cleanup")), shared)


@dataclass(frozen=True, slots=True)
class _Target:
    """What an entry copies to, and the number it has in the file."""

    number: int
    entry: SyncEntry

    @property
    def is_registry(self) -> bool:
        """Whether many repositories are copied, whose names come after that of the target."""
        return self.entry.kind == "registry"

    @property
    def name(self) -> str:
        """Its name, the same whichever name of the registry the config uses."""
        text = f"{self.entry.target}/repository" if self.is_registry else self.entry.target
        reference = Reference.parse(text, default_tag=None).without_name
        if reference.registry:
            host = names_of_registry(reference.registry)[0].lower()
            reference = replace(reference, registry=host)
        else:
            reference = replace(reference, repository=normpath(reference.repository))
        return str(reference).removesuffix("/repository" if self.is_registry else "")

    def may_copy_to(self, name: str) -> bool:
        """Whether a repository of this name would be copied of a registry."""
        try:
            return any(part.takes(name) for part in self.entry.repositories())
        except InvalidValue:  # an expression that takes too long
            return True


def _shared(target: _Target, other: _Target, document: Document) -> str:
    """What is wrong where another entry may copy to a repository that a target has; or empty."""
    outer, inner = sorted((target, other), key=lambda each: (len(each.name), not each.is_registry))
    advice = "give one of them another target"
    if outer.name != inner.name or outer.is_registry != inner.is_registry:
        below = inner.name.removeprefix(f"{outer.name}/")
        if not outer.is_registry or below == inner.name:
            return ""
        denied = re.escape(below)
        if inner.is_registry:
            if not _may_meet(outer, inner, f"{below}/"):
                return ""
            denied += "/.*"
        elif not outer.may_copy_to(below):
            return ""
        line = document.find(("sync", outer.number))[0].line
        advice += f", or deny '{denied}' under repos at line {line}"
    elif outer.is_registry:
        if not _may_meet(outer, inner, ""):
            return ""
        advice += ", or repos of its own"
    line = document.find(("sync", other.number))[0].line
    return (
        f"the entry at line {line} copies to {inner.name} too, and cleanup would delete that"
        f" ({advice})"
    )


def _may_meet(outer: _Target, inner: _Target, below: str) -> bool:
    """Whether two registries may have repositories that are copied to the same one.

    What one copies as ``below`` and a name, the other copies as the name.
    """
    (first,), (second,) = outer.entry.repositories(), inner.entry.repositories()
    denied = (*_all_after(first.but), *(below + start for start in _all_after(second.but)))
    for start in _starts(first):
        for other in (below + name for name in _starts(second)):
            longer, shorter = (start, other) if len(start) > len(other) else (other, start)
            if longer.startswith(shorter) and not longer.startswith(denied):
                return True
    return False


def _starts(repositories: Repositories) -> Sequence[str]:
    """What the names of repositories begin with, by each of the patterns."""
    return [_parts(pattern)[0] for pattern in repositories.match] or [""]


def _all_after(patterns: Iterable[Pattern]) -> Iterator[str]:
    """What names begin with, for patterns that fit every name which does."""
    return (start for start, rest in map(_parts, patterns) if rest == ".*")


def _parts(pattern: Pattern) -> tuple[str, str]:
    """What each name begins with that an expression fits, and the rest of the expression."""
    expression = pattern.text.removeprefix("regex:")
    match = None if "|" in expression else _LITERAL.match(expression)
    if match is None:
        return "", expression
    return match[0].replace("\\", ""), expression[match.end() :]
