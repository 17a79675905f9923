"""Copies an image, byte for byte, from one repository to another.

Blobs go first, then children, then what lists them, the tag at last: whatever
ends a copy, no tag points at content that is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from regbot.errors import (
    ContentError,
    DigestMismatch,
    NotSupported,
    RegistryError,
)
from regbot.events import BytesAhead, Emit, Message, ignore
from regbot.image.crew import Crew
from regbot.image.deliveries import Deliveries
from regbot.image.graph import Graph, Look, explore, tags_by_subject
from regbot.image.options import CopyOptions
from regbot.image.parts import (
    children_of,
    is_external,
    is_referrer_list,
    part_of_referrer,
    part_of_tag,
)
from regbot.image.transfer import NOT_SEEN, Transfer
from regbot.oci.digest import Digest
from regbot.oci.manifest import SCHEMA1, Descriptor, Head, Manifest
from regbot.oci.platform import Fit, Platform
from regbot.oci.referrers import with_entries
from regbot.oci.tag import Name, Tag
from regbot.stopping import Stop
from regbot.store.protocol import ReadStore, Store
from regbot.values import dataclass

_MEANS_INCOMPLETE = frozenset({400, 404, 412, 422})
"""Statuses by which registries refuse an index whose children they don't have."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What was put beside an image by its tag or digest; ``part`` is what it is."""

    name: Name
    part: str


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied, and whether the target changed: False when it had everything.

    ``carried`` are the signatures and other referrers that were put with it.
    """

    descriptor: Descriptor
    changed: bool
    carried: tuple[Carried, ...] = ()


MayPut = Callable[[Tag, Digest], None]
"""Raises where a tag must not be put on a digest."""


def anything(_tag: Tag, _digest: Digest) -> None:
    """A MayPut that allows everything."""


def copy_image(
    source: ReadStore,
    name: Name,
    target: Store,
    target_name: Name | None,
    options: CopyOptions = CopyOptions(),
    *,
    may_put: MayPut = anything,
    deliveries: Deliveries | None = None,
    stop: Stop,
    emit: Emit = ignore,
) -> Copied:
    """Copy what ``name`` is to ``target_name``.

    ``target_name`` is a tag; where it is None or the digest itself, no tag is put. What
    the target has is not sent, and manifests that it has are not read from the source.
    ``deliveries`` are those of all copies that go on in the run.
    ``target`` must not read from mirrors: it would seem to have what only a mirror has.
    Raises NotSupported for docker's schema 1, and what the stores raise.
    """
    stop.check()
    head = source.head(name)
    if head.media_type in SCHEMA1:
        raise NotSupported(
            f"{source.repository.with_name(name)}: manifests of schema 1 are not copied"
        )
    if isinstance(target_name, Digest) and target_name != head.digest:
        raise DigestMismatch(
            f"{source.repository.with_name(name)} is {head.digest}, not {target_name}"
        )
    tag = None if isinstance(target_name, Digest) else target_name
    work = _Copy(
        source,
        target,
        options,
        may_put,
        deliveries or Deliveries(),
        Crew(options.workers, stop),
        emit,
    )
    work.run(head, tag)
    return Copied(head.descriptor, work.changed, tuple(work.carried))


class _Copy:
    """One copy on its way."""

    def __init__(
        self,
        source: ReadStore,
        target: Store,
        options: CopyOptions,
        may_put: MayPut,
        deliveries: Deliveries,
        crew: Crew,
        emit: Emit,
    ) -> None:
        self._source = source
        self._target = target
        self._options = options
        self._may_put = may_put
        self._deliveries = deliveries
        self._crew = crew
        self._emit = emit
        self._there: set[Digest] = set()
        self.changed = False
        self.carried: list[Carried] = []

    def run(self, head: Head, tag: Tag | None) -> None:
        """Copy, unless the tag shows that it is done."""
        digest = head.digest
        done = self._digest_at(tag or digest) == digest
        if done and (self._options.fast_check or (tag and not self._options.asks_for_more)):
            return
        if tag and not done:
            self._may_put(tag, digest)
        if self._source.repository == self._target.repository:
            if tag and not done:
                self._put_as(tag, self._source.manifest(digest), digest)
            return
        graph = explore(head.descriptor, self._look(digest), self._crew)
        self._refuse_schema1(graph)
        trusted = bool(tag) and done and not self._must_look
        sent = self._send_blobs(graph, digest, trusted=trusted)
        self._send_manifests(graph, digest, tag, done=done)
        source = str(self._source.repository)
        self._emit(Message("debug", "image copied", {"source": source, "bytes": sent}))

    @property
    def _must_look(self) -> bool:
        return self._options.force_recursive or bool(self._options.platforms)

    def _look(self, root: Digest) -> Look:
        tags = self._source.tags() if self._options.digest_tags else []
        return Look(
            self._source,
            self._read,
            select=lambda manifest: self._selected(manifest, root),
            referrers=self._options.referrers,
            digest_tags=tags_by_subject(tags),
            emit=self._emit,
            takes=self._options.takes,
        )

    def _read(self, digest: Digest) -> Manifest:
        """A manifest from the target, if it has it: registries count what is pulled."""
        try:
            manifest = self._target.manifest(digest)
        except (*NOT_SEEN, ContentError):
            return self._source.manifest(digest)
        self._there.add(digest)
        return manifest

    def _selected(self, manifest: Manifest, root: Digest) -> Sequence[Descriptor]:
        """The children to copy. Raises NotFound for a platform the index has not."""
        if not (manifest.is_index and manifest.digest == root and self._options.platforms):
            return children_of(manifest)
        chosen: dict[Digest, Descriptor] = {}
        for wanted in self._options.platforms:
            best = _fit(manifest.child_for(wanted), wanted)
            fitting = [child for child in manifest.manifests if _fit(child, wanted) == best]
            chosen.update({child.digest: child for child in fitting})
        return list(chosen.values())

    def _refuse_schema1(self, graph: Graph) -> None:
        for digest, manifest in graph.manifests.items():
            if manifest.media_type in SCHEMA1:
                name = self._source.repository.with_digest(digest)
                raise NotSupported(f"{name}: manifests of schema 1 are not copied")

    def _send_blobs(self, graph: Graph, root: Digest, *, trusted: bool) -> int:
        """Bytes sent. ``trusted``: what is below the root is there, for its tag is."""
        passed = self._there.intersection(graph.ordered([root])) if trusted else set()
        blobs = {
            blob.digest: blob
            for digest, descriptors in graph.blobs.items()
            if digest not in passed
            for blob in descriptors
            if self._options.include_external or not is_external(blob)
        }
        transfer = Transfer(self._source, self._target, self._crew, self._emit, self._deliveries)
        self._emit(BytesAhead(sum(blob.size for blob in blobs.values())))
        largest_first = sorted(blobs.values(), key=lambda blob: -blob.size)
        self._crew.run(transfer.copy, largest_first)
        self.changed = transfer.changed
        return transfer.sent

    def _send_manifests(self, graph: Graph, root: Digest, tag: Tag | None, *, done: bool) -> None:
        """Children before what lists them, the image before its referrers, its tag at last."""
        listed = {digest for children in graph.children.values() for digest in children}
        by_tag = set(graph.tags.values()) - listed - {root}
        if tag and len(graph.blobs) == len(graph.ordered([root])):
            by_tag.add(root)
        for digest in graph.ordered([root, *graph.manifests]):
            if digest in graph.manifests and digest not in by_tag:
                self._put(graph.manifests[digest], root, loose=digest == root and not tag)
        for name, manifest in self._digest_tags(graph).items():
            self._put_as(name, manifest, root)
            self.carried.append(Carried(name, part_of_tag(name)))
        if tag and not done:
            self._put_as(tag, graph.manifests[root], root)

    def _put(self, manifest: Manifest, root: Digest, *, loose: bool) -> None:
        """Put a manifest by digest, unless it is there.

        ``loose``: nothing else will lead to it. A layout folder may have its file and
        nothing that keeps it.
        """
        kept = not loose or self._target.repository.scheme != "ocidir"
        if manifest.digest in self._there and kept and self._is_listed(manifest):
            return
        self._put_as(manifest.digest, manifest, root)
        if manifest.subject and manifest.digest != root:
            self.carried.append(Carried(manifest.digest, part_of_referrer(manifest)))

    def _is_listed(self, manifest: Manifest) -> bool:
        """Whether the target knows what a manifest refers to, if it does."""
        subject = manifest.subject
        if subject is None or not self._options.referrers:
            return True
        listed = self._target.referrers(subject.digest)
        return any(entry.digest == manifest.digest for entry in listed)

    def _put_as(self, name: Name, manifest: Manifest, root: Digest) -> None:
        self._crew.check()
        if not isinstance(name, Digest):
            self._may_put(name, manifest.digest)
        try:
            self._target.put_manifest(name, manifest)
            self.changed = True
        except RegistryError as error:
            sparse = manifest.digest == root and manifest.is_index and self._options.platforms
            if not sparse or error.status not in _MEANS_INCOMPLETE:
                raise
            raise NotSupported(
                f"{self._target.repository.with_name(name)}: the registry does not take an index"
                f" of which only some platforms were copied ({error})"
            ) from error

    def _digest_tags(self, graph: Graph) -> dict[Tag, Manifest]:
        """The digest tags to put, each with its manifest, once what they list is there."""
        tags: dict[Tag, Manifest] = {}
        for tag, digest in graph.tags.items():
            manifest = graph.manifests.get(digest)
            if manifest is None or self._digest_at(tag) == digest:
                continue
            members = [
                graph.manifests[member]
                for member in graph.owned[digest]
                if member in graph.manifests
            ]
            if is_referrer_list(tag, manifest, members):
                manifest = self._merged(tag, manifest, {member.digest for member in members})
            if manifest:
                tags[tag] = manifest
        return tags

    def _merged(self, tag: Tag, listing: Manifest, copied: Collection[Digest]) -> Manifest | None:
        """A list of referrers with those that only the target has; None if it has them all."""
        entries = [entry for entry in listing.manifests if entry.digest in copied]
        try:
            there = self._target.manifest(tag)
        except (*NOT_SEEN, ContentError):
            whole = len(entries) == len(listing.manifests)
            return listing if whole else with_entries(None, entries)
        merged = with_entries(there if there.is_index else None, entries)
        return None if merged == there else merged

    def _digest_at(self, name: Name) -> Digest | None:
        try:
            return self._target.head(name).digest
        except (*NOT_SEEN, ContentError):
            return None


def _fit(child: Descriptor, wanted: Platform) -> Fit | None:
    return child.platform.fit(wanted) if child.platform else None
