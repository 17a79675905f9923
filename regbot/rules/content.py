"""What a policy asks of a repository, and how that is read: no more than it needs.

Nothing is read of a tag that its name decides. Where the digest is enough it is a HEAD;
with the manifest and the config in the cache, a HEAD tells all the rest too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from regbot.errors import ContentError, NotFound, NotSupported
from regbot.events import Emit, StepsAhead, TagRead, TagsListed, ignore
from regbot.image.crew import Crew
from regbot.image.facts import labels_of, newest_date
from regbot.image.graph import DEEPEST
from regbot.image.parts import children_of, is_attestation, kind_of
from regbot.oci.digest import Digest
from regbot.oci.manifest import DEFAULT_BLOB_LIMIT, INDEXES, Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.rules.policy import Depth
from regbot.stopping import Stop
from regbot.store.protocol import ReadStore
from regbot.store.remembering import Remembering
from regbot.values import dataclass

WORKERS = 16
"""Tags that are read at once; each host's own limits hold besides."""

Labels = Mapping[str, str]

_ENOUGH: Mapping[Depth, tuple[Depth, ...]] = {
    "digest": ("image", "date", "children", "digest"),
    "children": ("image", "children"),
    "date": ("image", "date"),
    "image": ("image",),
}
"""What was read to one of these depths is deep enough."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read of a tag, to some depth.

    ``below`` are the digests that the manifest leads to: children, and image configs where
    all was read. ``created`` is in seconds since 1970, None where no date is known;
    ``labels`` are those of each image; ``lacks_child``: there is a child that the repository
    doesn't have. ``problem`` is why something could not be read.
    """

    digest: Digest | None = None
    is_index: bool = False
    below: frozenset[Digest] = frozenset()
    created: float | None = None
    labels: tuple[Labels, ...] = ()
    lacks_child: bool = False
    problem: str = ""


class Content(Protocol):
    """A repository, as a policy asks for it."""

    @property
    def repository(self) -> Reference:
        """The repository, without tag and digest."""
        ...

    def check(self) -> None:
        """Raise when the run has to end; asked now and then where there is much to do."""
        ...

    def tags(self) -> list[Tag]:
        """All tags. Raises where the listing breaks off."""
        ...

    def facts(self, tags: Collection[Tag], depth: Depth) -> Mapping[Tag, Facts]:
        """What is known of tags, to a depth at least; each is read once to a depth.

        What can't be read is a problem of the tag. Raises what ends the work as a whole,
        such as a registry that doesn't answer.
        """
        ...


class StoreContent:
    """The content of a store, many tags read at once and in the order of the listing.

    ``emit`` hears what is read for the ``script``.
    """

    def __init__(
        self,
        store: ReadStore,
        stop: Stop,
        *,
        blob_limit: int = DEFAULT_BLOB_LIMIT,
        script: str = "",
        emit: Emit = ignore,
    ) -> None:
        self._store = store
        self._stop = stop
        self._blob_limit = blob_limit
        self._script = script
        self._emit = emit
        self._known: dict[Depth, dict[Tag, Facts]] = {depth: {} for depth in _ENOUGH}

    @property
    def repository(self) -> Reference:
        """The repository."""
        return self._store.repository

    def check(self) -> None:
        """Raise when the run has to end."""
        self._stop.check()

    def tags(self) -> list[Tag]:
        """All tags."""
        tags = self._store.tags()
        self._emit(TagsListed(self._script, str(self.repository), len(tags)))
        return tags

    def facts(self, tags: Collection[Tag], depth: Depth) -> Mapping[Tag, Facts]:
        """What is known of tags, to a depth at least."""
        known = {tag: facts for tag in tags if (facts := self._at(tag, depth))}
        unread = [tag for tag in tags if tag not in known]
        new = {tag for tag in unread if not any(tag in of for of in self._known.values())}
        self._emit(StepsAhead(self._script, "tag", len(new)))

        def look(tag: Tag) -> Facts:
            facts = self._read(depth, tag)
            if tag in new:
                self._emit(TagRead(self._script))
            return facts

        read = Crew(WORKERS, self._stop).run(look, unread)
        fresh = dict(zip(unread, read, strict=True))
        self._known[depth].update(fresh)
        return known | fresh

    def _at(self, tag: Tag, depth: Depth) -> Facts | None:
        """What is known of a tag already, if that is deep enough."""
        known = [facts for each in _ENOUGH[depth] if (facts := self._known[each].get(tag))]
        if not known and depth == "children":
            any_facts = self._at(tag, "digest")
            if any_facts and not any_facts.is_index and not any_facts.problem:
                return any_facts
        return known[0] if known else None

    def _read(self, depth: Depth, tag: Tag) -> Facts:
        facts = Facts()
        try:
            if depth == "digest":
                head = self._store.head(tag)
                return Facts(head.digest, head.media_type in INDEXES)
            store = Remembering(self._store)
            manifest = store.manifest(tag)
            facts = Facts(manifest.digest, manifest.is_index)
            if depth == "children":
                return replace(facts, below=frozenset(_listed(store, manifest)))
            facts = replace(facts, created=_date(store, manifest, self._blob_limit))
            return facts if depth == "date" else _whole(store, manifest, facts, self._blob_limit)
        except (ContentError, NotFound, NotSupported) as error:
            return replace(facts, problem=str(error))


def _listed(store: ReadStore, manifest: Manifest, levels: int = DEEPEST) -> set[Digest]:
    """The digests that an index lists, and those that the indexes among them do."""
    digests: set[Digest] = set()
    for child in children_of(manifest) if levels else ():
        digests.add(child.digest)
        if kind_of(child) == "index":
            digests |= _listed(store, store.manifest(child.digest), levels - 1)
    return digests


def _date(store: ReadStore, manifest: Manifest, limit: int) -> float | None:
    """When an image was made; None also where a child that may be newer is not there."""
    try:
        date = newest_date(store, manifest, limit)
    except NotFound:
        if not manifest.is_index:
            raise
        return None
    return date.timestamp() if date else None


def _images(
    store: ReadStore, manifest: Manifest, levels: int = DEEPEST
) -> Iterator[Manifest | None]:
    """What a manifest is or lists; None stands for an image that the repository doesn't have."""
    yield manifest
    for child in children_of(manifest) if levels else ():
        try:
            below = store.manifest(child.digest)
        except NotFound:  # a copy may have left platforms out
            if not is_attestation(child):
                yield None
            continue
        yield from _images(store, below, levels - 1)


def _whole(store: ReadStore, manifest: Manifest, facts: Facts, limit: int) -> Facts:
    """The facts, and everything else that a rule may ask for."""
    listing = list(_images(store, manifest))
    images = [image for image in listing if image is not None]
    listed = {child.digest for image in images for child in children_of(image)}
    configs = {image.config.digest for image in images if image.config}
    return replace(
        facts,
        below=frozenset(listed | configs),
        labels=tuple(labels_of(store, image, limit) for image in images),
        lacks_child=len(images) < len(listing),
    )
