"""An OCI layout folder as a store.

What a registry has and a layout folder has not is done as other tools do it:

- A manifest lives as long as something leads to it. Putting another manifest on
  a tag, or deleting the tag, leaves the old one to ``collect_garbage``, unless
  another entry or a kept index holds it.
- A manifest put by digest gets an entry without tag, which goes when an index
  that lists the manifest, or a tag, is put: from then on those hold it.
- Referrers are listed in an index at the tag ``sha256-<hex>`` of their subject
  (distribution spec, "Referrers Tag Schema"). Entries without tag whose manifest
  has the subject are listed too, as some tools write them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from regbot.errors import (
    ContentError,
    DigestMismatch,
    InvalidValue,
    NotFound,
    NotSupported,
    RegbotError,
    ScriptTimeout,
    Stopped,
)
from regbot.oci.digest import Digest, verified
from regbot.oci.manifest import DEFAULT_BLOB_LIMIT, SCHEMA1, Descriptor, Head, Manifest
from regbot.oci.reference import Reference
from regbot.oci.referrers import fallback_tag, with_referrer, without_referrer
from regbot.oci.tag import Name, Tag
from regbot.stopping import Stop
from regbot.store.layout import Layout
from regbot.store.layout_garbage import Collected, WallClock, collect_garbage
from regbot.store.layout_index import Entry, Index
from regbot.store.layout_store import LayoutStore
from regbot.store.protocol import Chunks

GRACE = 3600.0
"""Seconds a blob is spared by clean-up after it was put: its manifest comes last."""


class OciDirStore(LayoutStore):
    """One layout folder, for reading and writing; the first write makes it.

    Keep one for all work on a folder: it remembers the parsed ``index.json``.
    Safe to share between threads.
    """

    def __init__(
        self,
        reference: Reference,
        *,
        folder: Path | None = None,
        blob_limit: int = DEFAULT_BLOB_LIMIT,
        stop: Stop | None = None,
        clock: WallClock = time.time,
        needed: Callable[[], Collection[Digest]] = frozenset,
    ) -> None:
        """``folder`` is where the reference leads, by default what it says.

        ``needed`` tells what clean-up has to spare besides, such as for an undo.
        """
        if reference.scheme != "ocidir":
            raise InvalidValue(f"{reference} is not the name of a layout folder (ocidir://path)")
        self._stop = stop or Stop()
        self._layout = Layout(
            folder or Path(reference.repository), name=reference.repository, stop=self._stop
        )
        super().__init__(reference.without_name, self._layout.blobs, self._layout.index, blob_limit)
        self._clock = clock
        self._needed = needed
        self._untidy = False

    def head(self, name: Name) -> Head:
        """What ``index.json`` says of a tag, else what the manifest's file says.

        A tag whose file is missing still has an answer, so that it can be deleted.
        """
        entry = (
            self._layout.index().of_digest(name) if isinstance(name, Digest) else self._tagged(name)
        )
        described = entry.descriptor if entry else None
        if described and described.media_type:
            return Head(described.media_type, described.digest, described.size)
        manifest = self.manifest(name)
        return Head(manifest.media_type, manifest.digest, manifest.size)

    def put_manifest(self, name: Name, manifest: Manifest) -> None:
        """Write the manifest, then ``index.json`` with its tag and its subject's referrers.

        Raises DigestMismatch when ``name`` is the digest of something else, and
        NotSupported for docker's schema 1.
        """
        if manifest.media_type in SCHEMA1:
            raise NotSupported(f"docker schema 1 is not written to {self._layout}")
        digest = name if isinstance(name, Digest) else manifest.digest
        digest.check(manifest.raw, f"manifest for {self._layout}")
        manifest = replace(manifest, digest=digest)
        with self._layout.locked(create=True):
            old = self._layout.index()
            new = self._with_manifest(old, name, manifest)
            self._add_manifest(manifest)
            self._write(old, new)
            held = {child.digest.packed for child in manifest.manifests}
            if old.packed.keys() - new.packed.keys() - held:
                self._untidy = True

    def delete_manifest(self, digest: Digest) -> None:
        """Remove a manifest's file, its entries and tags, and its place among referrers."""
        with self._layout.locked(create=False):
            index = self._layout.index()
            subject = self._subject(digest, index.of_digest(digest))
            left = index.without_digest(digest)
            if subject:
                left = self._without_referrer(left, subject.digest, digest)
            self._write(index, left)
            self._layout.blobs.remove(digest)
            self._untidy = True

    def delete_tag(self, tag: Tag, digest: Digest) -> None:
        """Remove a tag's entry. Its manifest stays until clean-up, or as long as it is used.

        Raises as ``begin_delete`` does.
        """
        for error in self.finish_deletes({tag: digest}).values():
            raise error

    def lacks_referrers(self, _digest: Digest, /) -> bool:
        """That is never known: to ask costs little."""
        return False

    @property
    def deletes_at_finish(self) -> bool:
        """True: for one delete or many, ``index.json`` is written once."""
        return True

    def begin_delete(self, tag: Tag, digest: Digest) -> bool:
        """Look whether a tag can be deleted; True, with nothing changed.

        Raises NotFound, NotSupported when the tag ends several full names, and
        DigestMismatch when it has moved.
        """
        self._require(self._layout.index(), tag, digest)
        return True

    def finish_deletes(self, tags: Mapping[Tag, Digest]) -> Mapping[Tag, RegbotError]:
        """Remove the entries of all these tags at once, but those that raise an error now.

        Raises StorageError with none of them removed.
        """
        refused: dict[Tag, RegbotError] = {}
        with self._layout.locked(create=False):
            index = self._layout.index()
            for tag, digest in tags.items():
                try:
                    self._require(index, tag, digest)
                except (NotFound, NotSupported, DigestMismatch) as error:
                    refused[tag] = error
            gone = tags.keys() - refused.keys()
            if gone:
                self._write(index, index.without_tags(gone))
                self._untidy = True
        return refused

    def _require(self, index: Index, tag: Tag, digest: Digest) -> None:
        """Raise unless a tag is on a digest, and means one name alone."""
        if tag not in index.tags:
            raise NotFound(f"there is no tag {tag!r} in {self._layout}")
        entry = index.tags[tag]
        current = entry.digest or entry.descriptor.digest
        if current != digest:
            raise DigestMismatch(f"tag {tag!r} of {self._layout} moved to {current}")
        index.require_one_name(tag)

    def put_blob(self, content: Chunks, *, digest: Digest, size: int) -> bool:
        """Write a blob. False when it is there already; then only its age begins anew."""
        with self._layout.locked(create=True):
            there = self._layout.blobs.renew(digest, size)
        if not there:
            what = f"blob {digest} for {self._layout}"
            chunks = verified(content(), digest=digest, size=size, what=what)
            self._layout.blobs.add(digest, chunks)
        return not there

    def mount_blob(self, digest: Digest, source: Reference) -> bool:
        """Hard-link a blob of another layout folder; False when that can't be done."""
        if source.scheme != "ocidir":
            return False
        other = Layout(Path(source.repository), stop=self._stop).blobs
        try:
            other.size(digest)
        except NotFound:
            return False
        with self._layout.locked(create=True):
            return self._layout.blobs.link(digest, other)

    def collect_garbage(self, *, grace: float = GRACE) -> Collected:
        """Remove the blobs nothing refers to that are older than ``grace`` seconds.

        Raises ContentError or StorageError, with nothing removed, when something
        that is kept can't be read.
        """
        before = self._clock() - grace
        collected = collect_garbage(
            self._layout, before=before, limit=self._limit, stop=self._stop, needed=self._needed
        )
        self._untidy = False
        return collected

    def close(self) -> None:
        """End the work: clean up if this store took something out of ``index.json``.

        A run that has to end leaves the clean-up, or the rest of it, to a later one.
        """
        if self._untidy and self._stop.reason() is None:
            with suppress(Stopped, ScriptTimeout):
                self.collect_garbage()

    def _write(self, old: Index, new: Index) -> None:
        if new is not old:
            self._layout.write_index(new)

    def _add_manifest(self, manifest: Manifest) -> None:
        blobs, digest = self._layout.blobs, manifest.digest
        there = blobs.renew(digest, manifest.size)
        if not there or blobs.read(digest, manifest.size) != manifest.raw:
            blobs.add(digest, [manifest.raw])

    def _with_manifest(self, index: Index, name: Name, manifest: Manifest) -> Index:
        """The index once a manifest is put; writes the new list of referrers, if any."""
        held = {child.digest for child in manifest.manifests}
        if manifest.subject:
            tag = fallback_tag(manifest.subject.digest)
            listing = with_referrer(self._listing(index, tag), manifest)
            self._add_manifest(listing)
            index = index.with_tag(tag, listing.descriptor)
            held.add(manifest.digest)
        if not isinstance(name, Digest):
            index = index.with_tag(name, manifest.descriptor)
            held.add(manifest.digest)
        elif not manifest.subject:
            index = index.with_untagged(manifest.descriptor)
        return index.without_bare(held) if held else index

    def _without_referrer(self, index: Index, subject: Digest, referrer: Digest) -> Index:
        tag = fallback_tag(subject)
        old = self._listing(index, tag)
        if old is None:
            return index
        new = without_referrer(old, referrer)
        if new is None:
            return index.without_tags({tag})
        self._add_manifest(new)
        return index.with_tag(tag, new.descriptor)

    def _subject(self, digest: Digest, entry: Entry | None) -> Descriptor | None:
        """What a manifest refers to. A broken one, if it has an entry, refers to nothing."""
        try:
            return self._read_entry(entry).subject if entry else self._read(digest).subject
        except (NotFound, ContentError):
            if entry is None:
                raise
            return None
