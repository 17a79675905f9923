"""A tar of images as a store to read from: OCI layout or ``docker save``, packed or not."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regbot.errors import (
    ContentError,
    DigestMismatch,
    InvalidValue,
    NotFound,
    SizeMismatch,
)
from regbot.files import open_regular, reading
from regbot.image.archive_content import Content, content_of
from regbot.image.compression import MAGIC_LENGTH, codec_of, unpacked_file
from regbot.image.tar_members import Tar
from regbot.oci.digest import Digest, verified
from regbot.oci.manifest import SCHEMA1, Descriptor, Head, Manifest
from regbot.oci.reference import Reference
from regbot.oci.referrers import as_referrer, fallback_tag
from regbot.oci.tag import Name, Tag
from regbot.stopping import Stop
from regbot.store.layout_index import Entry

_OF_ANOTHER = re.compile(r"sha(?:256|384|512)-[0-9a-f]{32,}(?:\..*)?")
"""Tags that hold what belongs to another image: lists of referrers, signatures."""


@contextmanager
def open_archive(
    path: Path, *, blob_limit: int, scratch: Path | None = None, stop: Stop | None = None
) -> Iterator[ArchiveStore]:
    """Open a tar of images, for as long as the block lasts.

    A packed one is unpacked into a file without a name in ``scratch`` (None: the
    system's folder, ``TMPDIR``). ``blob_limit`` are the bytes a manifest, config or
    index may have. Raises StorageError when the file can't be read, ContentError
    when it is no such tar.
    """
    stop, what = stop or Stop(), f"archive {path}"
    with reading(path):
        file = open_regular(path)
    with file:
        with reading(path):
            codec = codec_of(os.pread(file.fileno(), MAGIC_LENGTH, 0), what)
            size = os.fstat(file.fileno()).st_size
        if not codec:
            yield _store(path, Tar(file, what), blob_limit, stop)
            return
        with unpacked_file(file, codec, size=size, scratch=scratch, stop=stop, what=what) as plain:
            yield _store(path, Tar(plain, what), blob_limit, stop)


def _store(path: Path, tar: Tar, limit: int, stop: Stop) -> ArchiveStore:
    content = content_of(tar, limit=limit, stop=stop)
    return ArchiveStore(path, tar, content, limit=limit, stop=stop)


class ArchiveStore:
    """The images of one tar, for reading. Safe to share between threads.

    Tags are the ends of the names in it: ``v1`` of ``docker.io/library/app:v1``.
    """

    def __init__(self, path: Path, tar: Tar, content: Content, *, limit: int, stop: Stop) -> None:
        self.repository = Reference("ocidir", "", str(path))
        self._tar = tar
        self._index = content.index
        self._blobs = content.blobs
        self._made = content.made
        self._limit = limit
        self._stop = stop

    @property
    def default_name(self) -> Digest:
        """The digest of the only image: what to take when nobody says which.

        Raises InvalidValue that lists the tags when there are several, NotFound
        when there is none.
        """
        entries = [
            entry
            for entry in self._index.entries
            if entry.tag is None or not _OF_ANOTHER.fullmatch(entry.tag)
        ]
        tagged = [entry for entry in entries if entry.tag]
        digests = {entry.descriptor.digest for entry in tagged or entries}
        if not digests:
            raise NotFound(f"there is no image in {self._tar.what}")
        if len(digests) > 1:
            there = ", ".join(self.tags(limit=20) or sorted(map(str, digests))[:20])
            raise InvalidValue(f"{self._tar.what} holds several images: {there}")
        return digests.pop()

    @property
    def last_tag_takes_manifest(self) -> bool:
        """Never: what an index lists stays."""
        return False

    def tags(self, *, limit: int | None = None, last: str = "") -> list[Tag]:
        """The tags, sorted."""
        tags = sorted(self._index.tags)
        start = bisect_right(tags, last) if last else 0
        return tags[start:] if limit is None else tags[start : start + max(limit, 0)]

    def head(self, name: Name) -> Head:
        """What a manifest is, once it has been read: a tar may say anything of it."""
        manifest = self.manifest(name)
        return Head(manifest.media_type, manifest.digest, manifest.size)

    def manifest(self, name: Name) -> Manifest:
        """A manifest by tag or digest.

        Raises ContentError when a tag stands for several images.
        """
        if isinstance(name, Digest):
            entry = self._index.find(name)
            return self._read_entry(entry) if entry else self._read(name)
        return self._read_entry(self._tagged(name))

    def blob_size(self, digest: Digest) -> int:
        """Bytes of a blob."""
        member = self._blobs.get(digest)
        if member is None:
            raise NotFound(f"there is no {digest} in {self._tar.what}")
        return member.size

    def blob(self, digest: Digest, size: int | None = None) -> Iterator[bytes]:
        """The chunks of a blob, checked on the way."""
        self.blob_size(digest)
        chunks = self._stoppable(self._tar.chunks(self._blobs[digest]))
        return verified(chunks, digest=digest, size=size, what=self._what(digest))

    def referrers(self, digest: Digest, artifact_type: str = "") -> list[Descriptor]:
        """The list at the referrers tag, and the other manifests named with this subject."""
        tag = fallback_tag(digest)
        listed = self.manifest(tag).manifests if tag in self._index.tags else ()
        found = {child.digest: child for child in listed}
        for entry in self._index.entries:
            referrer = self._referrer(entry, digest) if entry.tag != tag else None
            if referrer:
                found.setdefault(referrer.digest, referrer)
        return [
            referrer
            for referrer in found.values()
            if not artifact_type or referrer.artifact_type == artifact_type
        ]

    def _referrer(self, entry: Entry, subject: Digest) -> Descriptor | None:
        """An entry as a referrer, when its manifest has this subject."""
        said = entry.descriptor
        if said.media_type and not said.media_type.endswith("json"):
            return None
        manifest = self._read_entry(entry)
        found = manifest.subject
        return as_referrer(manifest) if found and found.digest == subject else None

    def _tagged(self, tag: Tag) -> Entry:
        entry = self._index.tags.get(tag)
        if entry is None:
            raise NotFound(f"there is no tag {tag!r} in {self._tar.what}")
        digests = {each.descriptor.digest for each in self._index.entries if each.tag == tag}
        if len(digests) > 1:
            there = ", ".join(sorted(map(str, digests)))
            raise ContentError(f"tag {tag!r} in {self._tar.what} stands for several: {there}")
        return entry

    def _read_entry(self, entry: Entry) -> Manifest:
        said = entry.descriptor
        manifest = self._read(said.digest, said.media_type)
        if manifest.size != said.size:
            raise SizeMismatch(
                f"{self._what(said.digest)}: {manifest.size} bytes, the index says {said.size}"
            )
        return manifest

    def _read(self, digest: Digest, media_type: str = "") -> Manifest:
        raw = self._made.get(digest)
        if raw is None:
            size = self.blob_size(digest)
            if size > self._limit:
                raise SizeMismatch(
                    f"{self._what(digest)}: {size} bytes are more than the limit of {self._limit}"
                )
            raw = b"".join(self._tar.chunks(self._blobs[digest]))
        if media_type not in SCHEMA1:
            digest.check(raw, self._what(digest))
        manifest = Manifest.parse(raw, media_type, algorithm=digest.algorithm)
        if manifest.digest != digest:
            raise DigestMismatch(f"{self._what(digest)}: digest is {manifest.digest}")
        return manifest

    def _stoppable(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._stop.check()
            yield chunk

    def _what(self, digest: Digest) -> str:
        return f"{digest} of {self._tar.what}"
