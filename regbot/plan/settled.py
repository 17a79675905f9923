"""What a script reads of repositories in which deletes are finished behind it.

A read that rests on such a delete waits until it is finished: that of the tag, and that
of all tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor, Head, ImageConfig, Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Name, Tag
from regbot.store.protocol import ReadStore, ReadStores

SettleBefore = Callable[[Reference, Tag | None], None]
"""Finishes the deletes of a repository that a read of a tag rests on; None is all tags."""


class SettledStores:
    """The repositories of ``base`` as a script sees them."""

    def __init__(self, base: ReadStores, settle_before: SettleBefore) -> None:
        self._base = base
        self._settle_before = settle_before

    def open(self, reference: Reference) -> ReadStore:
        """The view of the reference's repository."""
        return SettledStore(self._base.open(reference), self._settle_before)

    def repositories(self, registry: str, *, limit: int | None = None, last: str = "") -> list[str]:
        """As the base lists them."""
        return self._base.repositories(registry, limit=limit, last=last)


class SettledStore:
    """One repository as a script sees it; threads may share it."""

    def __init__(self, base: ReadStore, settle_before: SettleBefore) -> None:
        self.repository = base.repository
        self._base = base
        self._settle_before = settle_before

    @property
    def last_tag_takes_manifest(self) -> bool:
        """As in the base."""
        return self._base.last_tag_takes_manifest

    def tags(self, *, limit: int | None = None, last: str = "") -> list[Tag]:
        """The tags, once all deletes are finished."""
        self._settle_before(self.repository, None)
        return self._base.tags(limit=limit, last=last)

    def head(self, name: Name) -> Head:
        """The head, once a delete of this tag is finished."""
        self._before(name)
        return self._base.head(name)

    def manifest(self, name: Name) -> Manifest:
        """The manifest, once a delete of this tag is finished."""
        self._before(name)
        return self._base.manifest(name)

    def blob_size(self, digest: Digest) -> int:
        """As the base says."""
        return self._base.blob_size(digest)

    def blob(self, digest: Digest, size: int | None = None) -> Iterator[bytes]:
        """The chunks of a blob of the base."""
        return self._base.blob(digest, size)

    def config(self, image: Manifest, *, limit: int) -> ImageConfig:
        """The config of an image of the base."""
        return self._base.config(image, limit=limit)

    def referrers(self, digest: Digest, artifact_type: str = "") -> list[Descriptor]:
        """As the base lists them."""
        return self._base.referrers(digest, artifact_type)

    def _before(self, name: Name) -> None:
        if not isinstance(name, Digest):
            self._settle_before(self.repository, name)
