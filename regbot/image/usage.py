"""What tags lead to: who uses a manifest, and the bytes that are held."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from regbot.errors import ContentError, DigestMismatch, Malformed, NotFound, NotSupported
from regbot.image.crew import Crew
from regbot.image.graph import Look, Sight, Wanted, by_level
from regbot.image.parts import children_of, is_external, kind_of
from regbot.oci.digest import Digest
from regbot.oci.manifest import SCHEMA1, Descriptor
from regbot.oci.tag import Tag
from regbot.store.protocol import ReadStore


def tagged(store: ReadStore, tags: Iterable[Tag], crew: Crew) -> dict[Tag, Descriptor]:
    """What each tag is on. Tags that are gone by now are left out."""
    names = list(tags)
    heads = crew.run(partial(_descriptor_at, store), names)
    return {tag: head for tag, head in zip(names, heads, strict=True) if head}


class Usage:
    """What the manifests at tags lead to. Each index is read once."""

    def __init__(self, store: ReadStore, crew: Crew) -> None:
        self._store = store
        self._crew = crew
        self._known: dict[Digest, Sight] = {}

    def of(self, roots: Iterable[Descriptor]) -> set[Digest]:
        """The roots and all that they list, directly or not.

        Raises Malformed for an index that can't be read: it may list anything.
        """
        walked = by_level(roots, self._read, str(self._store.repository))
        return {wanted.descriptor.digest for wanted, _ in walked}

    def _read(self, level: Sequence[Wanted]) -> list[Sight]:
        unknown = [wanted for wanted in level if wanted.descriptor.digest not in self._known]
        for wanted, sight in zip(unknown, self._crew.run(self._look, unknown), strict=True):
            self._known[wanted.descriptor.digest] = sight
        return [self._known[wanted.descriptor.digest] for wanted in level]

    def _look(self, wanted: Wanted) -> Sight:
        """What a manifest lists; only what is an index, or may be one, is read."""
        descriptor = wanted.descriptor
        kind = kind_of(descriptor)
        if kind in ("image", "blob"):
            return Sight()
        try:
            manifest = self._store.manifest(descriptor.digest)
        except (NotFound, ContentError) as error:
            if kind == "unknown" and not isinstance(error, DigestMismatch):
                return Sight()
            raise Malformed(
                f"nothing is deleted from {self._store.repository}: index {descriptor.digest}"
                f" can't be read, so what it needs is unknown ({error})"
            ) from error
        children = children_of(manifest)
        return Sight(next=tuple(Wanted(child, "child", descriptor.digest) for child in children))


def held_by(store: ReadStore, roots: Iterable[Descriptor], crew: Crew) -> dict[Digest, int]:
    """Bytes of every manifest, config and layer that the roots lead to.

    Layers that are kept elsewhere have 0, children that are not in the repository hold
    nothing there. Raises NotSupported for docker's schema 1, whose layers have no
    sizes, Malformed for indexes nested too deep, and what the store raises.
    """
    look = Look(store, store.manifest, sparse=True)
    held: dict[Digest, int] = {}
    for wanted, sight in by_level(roots, partial(crew.run, look.at), str(store.repository)):
        for digest, size in _sizes(wanted, sight):
            held[digest] = max(size, held.get(digest, 0))
    return held


def _sizes(wanted: Wanted, sight: Sight) -> Iterable[tuple[Digest, int]]:
    manifest = sight.manifest
    if manifest is not None:
        if manifest.media_type in SCHEMA1:
            raise NotSupported(
                f"{wanted.descriptor.digest} is of docker's schema 1, which has no sizes of layers"
            )
        yield wanted.descriptor.digest, manifest.size
    for blob in sight.blobs:
        yield blob.digest, 0 if is_external(blob) else blob.size


def _descriptor_at(store: ReadStore, tag: Tag) -> Descriptor | None:
    try:
        return store.head(tag).descriptor
    except NotFound:
        return None
