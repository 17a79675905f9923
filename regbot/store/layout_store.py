"""The images of an OCI layout, read from a folder or from an archive.

OCI image spec, "Image Layout". Everything read is checked against its digest and size.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Protocol

from regbot.errors import NotFound, SizeMismatch
from regbot.oci.digest import Digest, verified
from regbot.oci.manifest import Descriptor, Head, ImageConfig, Manifest
from regbot.oci.reference import Reference
from regbot.oci.referrers import as_referrer, fallback_tag
from regbot.oci.tag import Name, Tag
from regbot.store.layout_index import Entry, Index
from regbot.store.protocol import read_config


class Blobs(Protocol):
    """Where a layout has its content, not checked. ``str`` is what errors call it.

    Each call raises NotFound for what is not there.
    """

    def size(self, digest: Digest) -> int:
        """Bytes of a blob."""
        ...

    def chunks(self, digest: Digest) -> Iterator[bytes]:
        """The bytes of a blob."""
        ...

    def read(self, digest: Digest, limit: int) -> bytes:
        """A small blob as a whole. Raises SizeMismatch when it has more than ``limit`` bytes."""
        ...


class LayoutStore:
    """A layout as a ReadStore. Safe to share between threads.

    ``index`` gives ``index.json`` as it is now; ``limit`` are the bytes a manifest may
    have.
    """

    def __init__(
        self, repository: Reference, blobs: Blobs, index: Callable[[], Index], limit: int
    ) -> None:
        self.repository = repository
        self._blobs = blobs
        self._index = index
        self._limit = limit

    @property
    def last_tag_takes_manifest(self) -> bool:
        """Never: what an index lists stays."""
        return False

    def tags(self, *, limit: int | None = None, last: str = "") -> list[Tag]:
        """The tags of ``index.json``, sorted; those of referrer lists are among them."""
        tags = sorted(self._index().tags)
        start = bisect_right(tags, last) if last else 0
        return tags[start:] if limit is None else tags[start : start + max(limit, 0)]

    def head(self, name: Name) -> Head:
        """What a manifest is, once it has been read: the index may say anything of it."""
        manifest = self.manifest(name)
        return Head(manifest.media_type, manifest.digest, manifest.size)

    def manifest(self, name: Name) -> Manifest:
        """A manifest by tag, or by digest whether or not ``index.json`` lists it itself."""
        if isinstance(name, Digest):
            entry = self._index().of_digest(name)
            return self._read_entry(entry) if entry else self._read(name)
        return self._read_entry(self._tagged(name))

    def blob_size(self, digest: Digest) -> int:
        """Bytes of a blob."""
        return self._blobs.size(digest)

    def blob(self, digest: Digest, size: int | None = None) -> Iterator[bytes]:
        """The chunks of a blob, checked on the way."""
        chunks = self._blobs.chunks(digest)
        return verified(chunks, digest=digest, size=size, what=self._what(digest))

    def config(self, image: Manifest, *, limit: int) -> ImageConfig:
        """The config of an image."""
        return read_config(self, image, limit=limit)

    def referrers(self, digest: Digest, artifact_type: str = "") -> list[Descriptor]:
        """The list at the referrers tag, and the untagged manifests with this subject."""
        index = self._index()
        listing = self._listing(index, fallback_tag(digest))
        referrers = {child.digest: child for child in listing.manifests} if listing else {}
        for entry in index.untagged:
            referrer = self._referrer(entry, digest)
            if referrer:
                referrers.setdefault(referrer.digest, referrer)
        return [
            referrer
            for referrer in referrers.values()
            if artifact_type in ("", referrer.artifact_type)
        ]

    def _tagged(self, tag: Tag) -> Entry:
        """The entry of a tag. Raises NotFound."""
        entry = self._index().tags.get(tag)
        if entry is None:
            raise NotFound(f"there is no tag {tag!r} in {self._blobs}")
        return entry

    def _read(self, digest: Digest, media_type: str = "") -> Manifest:
        raw = self._blobs.read(digest, self._limit)
        return Manifest.checked(raw, digest, media_type, what=self._what(digest))

    def _read_entry(self, entry: Entry) -> Manifest:
        described = entry.descriptor
        manifest = self._read(described.digest, described.media_type)
        if manifest.size != described.size:
            raise SizeMismatch(
                f"{self._what(manifest.digest)}: {manifest.size} bytes,"
                f" index.json says {described.size}"
            )
        return manifest

    def _listing(self, index: Index, tag: Tag) -> Manifest | None:
        """The list of referrers at a tag; None when there is none."""
        entry = index.tags.get(tag)
        try:
            return self._read_entry(entry) if entry else None
        except NotFound:
            return None

    def _referrer(self, entry: Entry, subject: Digest) -> Descriptor | None:
        """An entry as a referrer, when its manifest has this subject."""
        media_type = entry.descriptor.media_type
        if media_type and not media_type.endswith("json"):
            return None
        try:
            manifest = self._read_entry(entry)
        except NotFound:
            return None
        described = manifest.subject
        return as_referrer(manifest) if described and described.digest == subject else None

    def _what(self, digest: Digest) -> str:
        return f"{digest} of {self._blobs}"
