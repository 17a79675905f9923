"""Who uses a manifest: the tags on it, and what the tags of a repository lead to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from regbot.errors import ContentError, DigestMismatch, Malformed, NotFound
from regbot.image.crew import Crew
from regbot.image.parts import children_of, kind_of
from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor
from regbot.oci.tag import Tag
from regbot.stopping import Stop
from regbot.store.protocol import ReadStore


def tags_of(
    store: ReadStore, digest: Digest, *, workers: int = 4, stop: Stop | None = None
) -> list[Tag]:
    """The tags on a manifest, sorted; every tag of the repository is asked for it."""
    found = tagged(store, store.tags(), Crew(workers, stop or Stop()))
    return sorted(tag for tag, own in found.items() if own.digest == digest)


def tagged(store: ReadStore, tags: Iterable[Tag], crew: Crew) -> dict[Tag, Descriptor]:
    """What each tag is on. Tags that are gone by now are left out."""
    names = list(tags)
    heads = crew.run(partial(_descriptor_at, store), names)
    return {tag: found for tag, found in zip(names, heads, strict=True) if found}


class Usage:
    """What the manifests at tags lead to. Each index is read once."""

    def __init__(self, store: ReadStore, crew: Crew) -> None:
        self._store = store
        self._crew = crew
        self._children: dict[Digest, tuple[Descriptor, ...]] = {}

    def of(self, roots: Iterable[Descriptor]) -> set[Digest]:
        """The roots and all that they list, directly or not.

        Raises Malformed for an index that can't be read: it may list anything.
        """
        used: set[Digest] = set()
        level = {root.digest: root for root in roots}
        while level:
            used |= level.keys()
            self._learn(level)
            following = [child for digest in level for child in self._children[digest]]
            level = {child.digest: child for child in following if child.digest not in used}
        return used

    def _learn(self, level: Mapping[Digest, Descriptor]) -> None:
        unknown = [own for digest, own in level.items() if digest not in self._children]
        found = self._crew.run(self._list, unknown)
        for descriptor, children in zip(unknown, found, strict=True):
            self._children[descriptor.digest] = children

    def _list(self, descriptor: Descriptor) -> tuple[Descriptor, ...]:
        kind = kind_of(descriptor)
        if kind in ("image", "blob"):
            return ()
        try:
            return children_of(self._store.manifest(descriptor.digest))
        except (NotFound, ContentError) as error:
            if kind == "unknown" and not isinstance(error, DigestMismatch):
                return ()
            raise Malformed(
                f"nothing is deleted from {self._store.repository}: index {descriptor.digest}"
                f" can't be read, so what it needs is not known ({error})"
            ) from error


def _descriptor_at(store: ReadStore, tag: Tag) -> Descriptor | None:
    try:
        return store.head(tag).descriptor
    except NotFound:
        return None
