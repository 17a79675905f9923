"""A tar of images as a store to read from: OCI layout or ``docker save``, packed or not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regbot.errors import ContentError, InvalidValue, NotFound
from regbot.files import open_regular, reading
from regbot.image.archive_content import Content, content_of
from regbot.image.compression import MAGIC_LENGTH, codec_of, unpacked_file
from regbot.image.tar_members import Tar
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.stopping import Stop
from regbot.store.layout_index import Entry
from regbot.store.layout_store import LayoutStore

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
    return ArchiveStore(path, content_of(tar, limit=limit, stop=stop), limit)


class ArchiveStore(LayoutStore):
    """The images of one tar, for reading. Safe to share between threads.

    Tags are the ends of the names in it: ``v1`` of ``docker.io/library/app:v1``.
    """

    def __init__(self, path: Path, content: Content, limit: int) -> None:
        self._content = content
        repository = Reference("ocidir", "", str(path))
        super().__init__(repository, content.blobs, lambda: content.index, limit)

    @property
    def default_name(self) -> Digest:
        """The digest of the only image: what to take when nobody says which.

        Raises InvalidValue that lists the tags when there are several, NotFound
        when there is none.
        """
        entries = [
            entry
            for entry in self._content.index.entries
            if entry.tag is None or not _OF_ANOTHER.fullmatch(entry.tag)
        ]
        tagged = [entry for entry in entries if entry.tag]
        digests = {entry.descriptor.digest for entry in tagged or entries}
        if not digests:
            raise NotFound(f"there is no image in {self._blobs}")
        if len(digests) > 1:
            there = ", ".join(self.tags(limit=20) or sorted(map(str, digests))[:20])
            raise InvalidValue(f"{self._blobs} holds several images: {there}")
        return digests.pop()

    def _tagged(self, tag: Tag) -> Entry:
        """The entry of a tag. Raises ContentError when the tag stands for several images."""
        entry = super()._tagged(tag)
        same = {other.digest for other in self._content.index.entries if other.tag == tag}
        if len(same) > 1:
            there = ", ".join(sorted(map(str, same)))
            raise ContentError(f"tag {tag!r} in {self._blobs} stands for several: {there}")
        return entry
