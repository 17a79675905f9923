"""Where an entry under ``sync`` cleans up, no other one may copy to: it would delete that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from regbot.config.document import Document, Problem
from regbot.config.sync import SyncEntry
from regbot.errors import InvalidValue
from regbot.oci.reference import Reference, names_of_registry


def check_targets(document: Document, entries: Sequence[SyncEntry]) -> Iterator[Problem]:
    """The entries that would delete what another one copies, as far as a config tells.

    Of two registries the repositories are not known, so only those with the same target count.
    """
    for number, entry in enumerate(entries):
        if not entry.cleanup:
            continue
        for place, other in enumerate(entries):
            shared = _shared(entry, other) if place != number else ""
            if shared:
                line = document.find(("sync", place))[0].line
                text = (
                    f"the entry at line {line} copies to {shared} too, and cleanup would"
                    " delete that (give one of them another target)"
                )
                yield Problem(document.key(("sync", number, "cleanup")), text)
                break


def _shared(entry: SyncEntry, other: SyncEntry) -> str:
    """The repository that both copy to; of two registries what its name begins with."""
    first, second = _target(entry), _target(other)
    if (entry.kind == "registry") == (other.kind == "registry"):
        return first if first == second else ""
    if entry.kind == "registry":
        return second if _copies_to(entry, first, second) else ""
    return first if _copies_to(other, second, first) else ""


def _copies_to(entry: SyncEntry, target: str, repository: str) -> bool:
    """Whether the entry of a registry may copy to a repository."""
    name = repository.removeprefix(f"{target}/")
    if name == repository:
        return False
    try:
        return any(part.takes(name) for part in entry.repositories())
    except InvalidValue:  # an expression that takes too long
        return True


def _target(entry: SyncEntry) -> str:
    """The name of a target, the same whichever name of the registry the config uses."""
    is_registry = entry.kind == "registry"
    text = f"{entry.target}/repository" if is_registry else entry.target
    reference = Reference.parse(text, default_tag=None).without_name
    if reference.registry:
        host = names_of_registry(reference.registry)[0].lower()
        reference = Reference(reference.scheme, host, reference.repository)
    return str(reference).removesuffix("/repository" if is_registry else "")
