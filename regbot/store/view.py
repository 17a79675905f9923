"""A repository as its store answers: what the views that change a part of it rest on."""

from __future__ import annotations

from collections.abc import Iterator

from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor, Head, ImageConfig, Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Name, Tag
from regbot.store.protocol import ReadStore


class View:
    """Hands every question on to ``base``; see ``protocol.ReadStore`` for what each gives.

    A view overrides those that it answers in another way. Threads may share it.
    """

    def __init__(self, base: ReadStore) -> None:
        self._base = base

    @property
    def repository(self) -> Reference:
        """The repository, without tag and digest."""
        return self._base.repository

    @property
    def last_tag_takes_manifest(self) -> bool:
        """Whether a manifest goes with its last tag."""
        return self._base.last_tag_takes_manifest

    def tags(self, *, limit: int | None = None, last: str = "") -> list[Tag]:
        """The tags."""
        return self._base.tags(limit=limit, last=last)

    def head(self, name: Name) -> Head:
        """What a HEAD tells of a manifest."""
        return self._base.head(name)

    def manifest(self, name: Name) -> Manifest:
        """A manifest or index."""
        return self._base.manifest(name)

    def blob_size(self, digest: Digest) -> int:
        """Bytes of a blob."""
        return self._base.blob_size(digest)

    def blob(self, digest: Digest, size: int | None = None) -> Iterator[bytes]:
        """The chunks of a blob."""
        return self._base.blob(digest, size)

    def config(self, image: Manifest, *, limit: int) -> ImageConfig:
        """The config of an image."""
        return self._base.config(image, limit=limit)

    def referrers(self, digest: Digest, artifact_type: str = "") -> list[Descriptor]:
        """What refers to a digest."""
        return self._base.referrers(digest, artifact_type)
