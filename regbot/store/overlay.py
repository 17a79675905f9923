"""What reads would see if the planned writes had happened.

An overlay takes every call of a Store. Its base is only ever read, and what is
written changes this memory alone, so a dry run runs the very code of a live one.
It does what a registry with deleting switched on does (distribution spec,
"Content Management"): a deleted tag leaves its manifest, a deleted digest takes
its tags.

What can't be known without writing is taken to go well: that the store deletes
tags, takes a manifest whose blobs it lacks, and has the permission given. The tag
that stands in for a list of referrers is not shown; ``referrers`` tells its content.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from copy import copy
from dataclasses import replace
from heapq import merge
from typing import TypeVar

from regbot.errors import (
    DigestMismatch,
    NotFound,
    NotSupported,
    RegbotError,
    RegistryError,
    ServerFault,
    TooManyRequests,
    Unauthorized,
)
from regbot.oci.digest import Digest, verified
from regbot.oci.manifest import (
    MEBIBYTE,
    SCHEMA1,
    Descriptor,
    Head,
    ImageConfig,
    Manifest,
    RateLimit,
)
from regbot.oci.reference import Reference
from regbot.oci.referrers import as_referrer
from regbot.oci.tag import Name, Tag
from regbot.store.protocol import Chunks, ReadStore, read_config
from regbot.values import dataclass

CHECKED_AT_ONCE = MEBIBYTE
"""Bytes up to which a planned blob is read and checked when it is put.

A bigger one is trusted until somebody reads it: a dry run is no transfer.
"""

_LARGEST_PAGE = 1000

N = TypeVar("N", bound=str)
"""Names of a kind: tags, or repositories."""


@dataclass(frozen=True, slots=True)
class _Blob:
    """A planned blob: its bytes stay where they come from until they are read."""

    content: Chunks
    size: int


class Overlay:
    """One repository as it would be; threads may share it.

    ``others`` opens the repositories that blobs can be mounted from; without it
    nothing can be mounted.
    """

    def __init__(
        self, base: ReadStore, *, others: Callable[[Reference], ReadStore] | None = None
    ) -> None:
        self.repository = base.repository
        self._base = base
        self._others = others
        self._lock = threading.RLock()
        self._put: set[Digest] = set()
        self._tags: dict[Tag, Digest | None] = {}
        self._manifests: dict[Digest, Manifest] = {}
        self._deleted: set[Digest] = set()
        self._seen: dict[Tag, Digest] = {}
        self._blobs: dict[Digest, _Blob] = {}

    def on(self, base: ReadStore) -> Overlay:
        """The same plan, seen and added to, over another way to read the repository."""
        other = copy(self)
        other._base = base  # noqa: SLF001 - of its own kind
        return other

    def absorb(self, later: Overlay) -> None:
        """Plan here what is planned in an overlay over this one."""
        with self._lock, later._lock:
            gone = later._deleted
            for tag, target in self._tags.items():
                if target in gone:
                    self._tags[tag] = None
            for digest in gone:
                self._manifests.pop(digest, None)
            self._tags.update(later._tags)
            self._manifests.update(later._manifests)
            self._deleted.update(later._deleted)
            self._put.update(later._put)
            self._blobs.update(later._blobs)

    @property
    def made(self) -> bool:
        """Whether a planned manifest would make the repository if it is not there."""
        return bool(self._put)

    @property
    def last_tag_takes_manifest(self) -> bool:
        """As in the base."""
        return self._base.last_tag_takes_manifest

    def tags(self, *, limit: int | None = None, last: str = "") -> list[Tag]:
        """The base's tags without the deleted ones, the new ones in their places.

        A listing does not tell which tags are on a deleted digest: once a digest
        was deleted, every tag whose digest is not known yet is asked for it, once.
        """
        with self._lock:
            changed = self._put or self._tags or self._deleted
            new = {tag for tag, digest in self._tags.items() if digest}
        if not changed:
            return self._base.tags(limit=limit, last=last)
        if limit is None:
            return with_new(list(filter(self._lists, self._listed(None, last))), new, last)
        return self._first(limit, last, new)

    def head(self, name: Name) -> Head:
        """Of the planned manifest, else the base's."""
        planned = self._planned(name)
        if planned is not None:
            return Head(planned.media_type, planned.digest, planned.size)
        head = self._base.head(name)
        self._see(name, head.digest)
        return head

    def manifest(self, name: Name) -> Manifest:
        """The planned manifest, else the base's."""
        planned = self._planned(name)
        if planned is not None:
            return planned
        manifest = self._base.manifest(name)
        self._see(name, manifest.digest)
        return manifest

    def blob_size(self, digest: Digest) -> int:
        """Bytes of a planned blob, else the base's answer."""
        planned = self._blobs.get(digest)
        return planned.size if planned else self._base.blob_size(digest)

    def blob(self, digest: Digest, size: int | None = None) -> Iterator[bytes]:
        """The chunks of a planned blob from where it would have come, else the base's."""
        planned = self._blobs.get(digest)
        if planned is None:
            return self._base.blob(digest, size)
        expected = planned.size if size is None else size
        return verified(planned.content(), digest=digest, size=expected, what=self._what(digest))

    def config(self, image: Manifest, *, limit: int) -> ImageConfig:
        """The config of an image, planned or the base's."""
        descriptor = image.config
        if descriptor is not None and descriptor.digest in self._blobs:
            return read_config(self, image, limit=limit)
        return self._base.config(image, limit=limit)

    def referrers(self, digest: Digest, artifact_type: str = "") -> list[Descriptor]:
        """The base's referrers that are not deleted, then the planned ones."""
        try:
            there = self._base.referrers(digest, artifact_type)
        except NotFound:
            if not self._put:
                raise
            there = []
        with self._lock:
            referrers = {
                referrer.digest: referrer
                for referrer in there
                if referrer.digest not in self._deleted
            }
            for manifest in self._manifests.values():
                if manifest.subject and manifest.subject.digest == digest:
                    referrers.setdefault(manifest.digest, as_referrer(manifest))
        return [
            referrer
            for referrer in referrers.values()
            if artifact_type in ("", referrer.artifact_type)
        ]

    def put_manifest(self, name: Name, manifest: Manifest) -> None:
        """Plan a manifest. Raises DigestMismatch, and NotSupported for docker's schema 1."""
        what = str(self.repository.with_name(name))
        if manifest.media_type in SCHEMA1:
            raise NotSupported(f"{what}: manifests of schema 1 are not written")
        digest = name if isinstance(name, Digest) else self._own_digest(manifest)
        if digest != manifest.digest:
            digest.check(manifest.raw, what)
        with self._lock:
            self._put.add(manifest.digest)
            self._manifests[digest] = replace(manifest, digest=digest, rate_limit=RateLimit())
            if not isinstance(name, Digest):
                self._tags[name] = digest

    def delete_manifest(self, digest: Digest) -> None:
        """Plan that a manifest goes with all its tags. Raises NotFound."""
        self.head(digest)
        with self._lock:
            self._planned(digest)
            self._manifests.pop(digest, None)
            self._deleted.add(digest)
            for tag, target in self._tags.items():
                if target == digest:
                    self._tags[tag] = None

    def delete_tag(self, tag: Tag, digest: Digest) -> None:
        """Plan that a tag goes and its manifest stays. Raises NotFound and DigestMismatch."""
        with self._lock:
            self._planned(tag)
            planned = self._tags.get(tag)
            if planned not in (None, digest):
                raise DigestMismatch(f"{self.repository.with_tag(tag)} is planned to be {planned}")
            if planned is None:
                self._see(tag, digest)
            self._tags[tag] = None

    def foresee_delete(self, tag: Tag) -> ReadStore | None:
        """Plan that a tag goes that was not looked at. Gives where it can be looked at yet.

        None, with nothing planned, where what is planned already has to be looked at.
        """
        with self._lock:
            if tag in self._tags or self._deleted:
                return None
            self._tags[tag] = None
        return self._base

    def take_back(self, tag: Tag) -> None:
        """The tag stays, whatever was planned for it."""
        with self._lock:
            self._tags.pop(tag, None)

    def lacks_referrers(self, _digest: Digest, /) -> bool:
        """That is never known."""
        return False

    @property
    def deletes_at_finish(self) -> bool:
        """Never: what is planned is planned at once."""
        return False

    def begin_delete(self, tag: Tag, digest: Digest) -> bool:
        """Plan that a tag goes, and nothing is left to finish."""
        self.delete_tag(tag, digest)
        return False

    def finish_deletes(self, _tags: Mapping[Tag, Digest], /) -> Mapping[Tag, RegbotError]:
        """Nothing is left to do."""
        return {}

    def put_blob(self, content: Chunks, *, digest: Digest, size: int) -> bool:
        """Plan a blob; False when it is there already.

        A small one is read and checked, a big one is trusted until it is read.
        """
        try:
            if self.blob_size(digest) == size:
                return False
        except (Unauthorized, TooManyRequests, ServerFault):
            raise
        except (NotFound, NotSupported, RegistryError):
            pass
        if size <= CHECKED_AT_ONCE:
            for _ in verified(content(), digest=digest, size=size, what=self._what(digest)):
                continue
        self._blobs[digest] = _Blob(content, size)
        return True

    def mount_blob(self, digest: Digest, source: Reference) -> bool:
        """Plan to take a blob over, when another repository of the same host has it."""
        here = self.repository
        if self._others is None or (source.scheme, source.registry) != (here.scheme, here.registry):
            return False
        other = self._others(source)
        try:
            size = other.blob_size(digest)
        except (TooManyRequests, ServerFault):
            raise
        except (NotFound, NotSupported, RegistryError):
            return False
        self._blobs[digest] = _Blob(lambda: other.blob(digest, size), size)
        return True

    def _planned(self, name: Name) -> Manifest | None:
        """What is planned under a name; None when only the base knows.

        Raises NotFound for what is planned to be gone.
        """
        with self._lock:
            digest = name if isinstance(name, Digest) else self._tags.get(name)
            if digest is None:
                if name in self._tags:
                    raise self._gone(name)
                return None
            if digest in self._deleted and digest not in self._manifests:
                raise self._gone(name)
            return self._manifests.get(digest)

    def _see(self, name: Name, digest: Digest) -> None:
        """Remember a tag's digest in the base. Raises NotFound when it is to be deleted."""
        if isinstance(name, Digest):
            return
        with self._lock:
            self._seen[name] = digest
            if digest in self._deleted and not self._tags.get(name):
                raise self._gone(name)

    def _lists(self, tag: Tag) -> bool:
        """Whether a tag that the base lists would still be listed."""
        with self._lock:
            if tag in self._tags:
                return self._tags[tag] is not None
            if not self._deleted:
                return True
            digest = self._seen.get(tag)
        if digest is None:
            try:
                digest = self._base.head(tag).digest
            except NotFound:
                return True
            self._seen[tag] = digest
        return digest not in self._deleted

    def _listed(self, limit: int | None, last: str) -> list[Tag]:
        try:
            return self._base.tags(limit=limit, last=last)
        except NotFound:
            if not self._put:
                raise
            return []

    def _first(self, limit: int, last: str, new: Collection[Tag]) -> list[Tag]:
        """The first tags after ``last``; the base is asked on while deleted ones fill it."""
        tags: list[Tag] = []
        size, more = limit, True
        while more and len(tags) < limit:
            page = self._listed(size, last)
            more = len(page) >= size
            kept = list(filter(self._lists, page))
            tags += with_new(kept, new, last, page[-1] if more else None)
            last = page[-1] if page else last
            size = max(size, min(2 * size, _LARGEST_PAGE))
        return tags[: max(limit, 0)]

    def _own_digest(self, manifest: Manifest) -> Digest:
        """What a manifest is stored under when it is put on a tag."""
        is_folder = self.repository.scheme == "ocidir"
        is_usual = manifest.digest.algorithm == "sha256"
        return manifest.digest if is_folder or is_usual else Digest.of(manifest.raw)

    def _what(self, digest: Digest) -> str:
        return f"blob {digest} of {self.repository}"

    def _gone(self, name: Name) -> NotFound:
        return NotFound(f"{self.repository.with_name(name)} is planned to be deleted")


def with_new(page: list[N], new: Collection[N], after: str, before: str | None = None) -> list[N]:
    """A page of a list with the new names that belong on it; all to the end by default."""
    there = frozenset(page)
    added = [
        name
        for name in new
        if name > after and name not in there and (before is None or name < before)
    ]
    return list(merge(page, sorted(added)))
