"""All manifests that belong to an image: its children, what refers to it, its digest tags."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Literal

from regbot.errors import ContentError, DigestMismatch, Malformed, NotFound
from regbot.events import Emit, Message, ignore
from regbot.image.crew import Crew
from regbot.image.parts import blobs_of, children_of, kind_of, subject_of_tag
from regbot.oci.digest import Digest
from regbot.oci.manifest import MEBIBYTE, Descriptor, Manifest
from regbot.oci.referrers import fallback_tag
from regbot.oci.tag import Name, Tag
from regbot.stopping import Stop
from regbot.store.protocol import ReadStore
from regbot.values import dataclass

DEEPEST = 20
"""Levels of indexes within indexes, and of referrers of referrers."""
MOST_MANIFESTS = 10_000
MOST_BYTES = 64 * MEBIBYTE
"""Bytes that all manifests of one image may have together."""

Why = Literal["root", "child", "referrer", "tag"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A manifest to look at. ``owner`` is what led to it, ``tag`` its digest tag."""

    descriptor: Descriptor
    why: Why = "root"
    owner: Digest | None = None
    tag: Tag | None = None

    @property
    def is_referrer_list(self) -> bool:
        """Whether it stands where clients keep the list of a manifest's referrers."""
        return self.owner is not None and self.tag == fallback_tag(self.owner)


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of one manifest, and what it leads to.

    ``manifest`` is None for what is a blob, or is not there.
    """

    manifest: Manifest | None = None
    blobs: tuple[Descriptor, ...] = ()
    next: tuple[Wanted, ...] = ()


@dataclass(frozen=True, slots=True)
class Graph:
    """An image with all that was asked for.

    ``owned`` has, for each manifest, those it leads to: children, referrers and
    what stands at its digest tags. ``tags`` are those digest tags. ``blobs`` are
    those of each manifest; one that is no manifest has itself there.
    """

    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    blobs: dict[Digest, tuple[Descriptor, ...]] = field(default_factory=dict)
    children: dict[Digest, tuple[Digest, ...]] = field(default_factory=dict)
    owned: dict[Digest, tuple[Digest, ...]] = field(default_factory=dict)
    tags: dict[Tag, Digest] = field(default_factory=dict)

    def ordered(self, roots: Iterable[Digest]) -> list[Digest]:
        """All that is below the roots by ``children``, each after its own children."""
        return _ordered(roots, self.children)

    def owners_first(self, root: Digest) -> list[Digest]:
        """All that is below a root by ``owned``, each after all that lead to it."""
        return _ordered([root], self.owned)[::-1]


@dataclass(frozen=True, slots=True)
class Look:
    """How manifests are read, and what is followed from them.

    ``select`` are the children to follow; ``digest_tags`` are tags by the digest
    they are made of (``tags_by_subject``); ``sparse`` passes over missing children;
    ``takes`` says which referrers to follow.
    """

    store: ReadStore
    read: Callable[[Digest], Manifest]
    select: Callable[[Manifest], Sequence[Descriptor]] = children_of
    referrers: bool = False
    digest_tags: Mapping[str, Sequence[Tag]] = field(default_factory=dict)
    sparse: bool = False
    emit: Emit = ignore
    takes: Callable[[Descriptor], bool] = lambda _: True

    def at(self, wanted: Wanted) -> Sight:
        """Read one manifest. Raises what the store raises."""
        manifest = self._read(wanted)
        if manifest is None:
            is_blob = wanted.why == "child" and kind_of(wanted.descriptor) == "unknown"
            return Sight(blobs=(wanted.descriptor,) if is_blob else ())
        digest = wanted.descriptor.digest
        why: Why = "referrer" if wanted.is_referrer_list else "child"
        following = [Wanted(entry, why, digest) for entry in self.select(manifest)]
        if self.referrers:
            attached = filter(self.takes, self.store.referrers(digest))
            following += [Wanted(entry, "referrer", digest) for entry in attached]
        for tag in self.digest_tags.get(fallback_tag(digest), ()):
            following += self._at_tag(tag, digest)
        return Sight(manifest, blobs_of(manifest), tuple(following))

    def _read(self, wanted: Wanted) -> Manifest | None:
        """The manifest; None for a blob, and for what may be missing."""
        descriptor = wanted.descriptor
        try:
            return self.read(descriptor.digest)
        except NotFound:
            if not self._may_miss(wanted):
                raise
            if wanted.why != "child":
                self._passed_over(wanted)
            return None
        except ContentError as error:
            known = wanted.why != "child" or kind_of(descriptor) != "unknown"
            if known or isinstance(error, DigestMismatch):
                raise
            return None

    def _may_miss(self, wanted: Wanted) -> bool:
        if wanted.why == "child":
            return self.sparse or kind_of(wanted.descriptor) == "unknown"
        return wanted.why != "root"

    def _at_tag(self, tag: Tag, owner: Digest) -> list[Wanted]:
        try:
            return [Wanted(self.store.head(tag).descriptor, "tag", owner, tag)]
        except NotFound:
            return []

    def _passed_over(self, wanted: Wanted) -> None:
        text = f"{wanted.descriptor.digest} is listed by {wanted.owner}, but does not exist"
        self.emit(Message("warn", text, {"image": str(self.store.repository)}))


def by_level(
    roots: Iterable[Descriptor],
    read: Callable[[Sequence[Wanted]], Sequence[Sight]],
    what: str,
) -> Iterator[tuple[Wanted, Sight]]:
    """Walk breadth first: the roots, then what those lead to, and so on.

    Each manifest is read once; ``read`` looks at those of one level. A referrer, or
    what stands at a digest tag, may be missing and is looked at again where an index
    lists it. Raises Malformed, which names ``what``, for more than DEEPEST levels, and
    what ``read`` raises.
    """
    seen: set[Digest] = set()
    level = _unseen(seen, map(Wanted, roots))
    for _ in range(DEEPEST + 1):
        sights = read(level)
        for wanted, sight in zip(level, sights, strict=True):
            if sight.manifest is not None or wanted.why in ("root", "child"):
                seen.add(wanted.descriptor.digest)
                yield wanted, sight
        level = _unseen(seen, (wanted for sight in sights for wanted in sight.next))
        if not level:
            return
    raise Malformed(f"{what} has manifests nested more than {DEEPEST} levels deep")


def explore(root: Descriptor, look: Look, crew: Crew) -> Graph:
    """Read everything that belongs to an image.

    Raises Malformed for an image that is nested too deep or has too many manifests, and
    what the store raises.
    """
    graph = Graph()
    size = 0

    def read(level: Sequence[Wanted]) -> list[Sight]:
        nonlocal size
        if len(graph.blobs) + len(level) > MOST_MANIFESTS:
            raise Malformed(f"{root.digest} has more than {MOST_MANIFESTS} manifests")
        sights = crew.run(look.at, level)
        size += sum(sight.manifest.size for sight in sights if sight.manifest)
        if size > MOST_BYTES:
            raise Malformed(f"the manifests of {root.digest} have more than {MOST_BYTES} bytes")
        return sights

    for wanted, sight in by_level([root], read, str(root.digest)):
        _add(graph, wanted, sight)
    return graph


def walk(
    store: ReadStore,
    name: Name,
    *,
    referrers: bool = False,
    digest_tags: bool = False,
    sparse: bool = False,
    workers: int = 1,
    stop: Stop | None = None,
) -> Iterator[tuple[Descriptor, Manifest]]:
    """The manifests of an image, each once, the children before what lists them.

    ``sparse``: children that are not in the repository are passed over.
    """
    tags = tags_by_subject(store.tags()) if digest_tags else {}
    look = Look(
        store,
        store.manifest,
        referrers=referrers,
        digest_tags=tags,
        sparse=sparse,
    )
    root = store.head(name).descriptor
    graph = explore(root, look, Crew(workers, stop or Stop()))
    for digest in _ordered([root.digest], graph.owned):
        if digest in graph.manifests:
            yield graph.manifests[digest].descriptor, graph.manifests[digest]


def tags_by_subject(tags: Iterable[Tag]) -> dict[str, list[Tag]]:
    """Tags such as ``sha256-<hex>.sig``, by the part before the dot."""
    by_subject: dict[str, list[Tag]] = {}
    for tag in tags:
        subject = subject_of_tag(tag)
        if subject.startswith("sha") and "-" in subject:
            by_subject.setdefault(subject, []).append(tag)
    return by_subject


def _add(graph: Graph, wanted: Wanted, sight: Sight) -> None:
    digest = wanted.descriptor.digest
    graph.blobs[digest] = sight.blobs
    if sight.manifest is not None:
        graph.manifests[digest] = sight.manifest
    following = [(entry.why, entry.descriptor.digest) for entry in sight.next]
    graph.children[digest] = tuple(below for why, below in following if why == "child")
    graph.owned[digest] = tuple(below for _, below in following)
    graph.tags.update({entry.tag: entry.descriptor.digest for entry in sight.next if entry.tag})


def _unseen(seen: Collection[Digest], entries: Iterable[Wanted]) -> list[Wanted]:
    fresh: dict[Digest, Wanted] = {}
    for wanted in entries:
        digest = wanted.descriptor.digest
        if digest not in seen and (digest not in fresh or wanted.why == "child"):
            fresh[digest] = wanted
    return list(fresh.values())


def _ordered(roots: Iterable[Digest], below: Mapping[Digest, Sequence[Digest]]) -> list[Digest]:
    """Depth first, without recursion: what is below comes before what leads to it."""
    done: dict[Digest, None] = {}
    begun: set[Digest] = set()
    waiting = list(roots)[::-1]
    while waiting:
        digest = waiting[-1]
        if digest in begun:
            waiting.pop()
            done.setdefault(digest)
            continue
        begun.add(digest)
        waiting += [child for child in reversed(below.get(digest, ())) if child not in begun]
    return list(done)
