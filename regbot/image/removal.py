"""What has to be deleted, and in which order, so that an image is gone with its parts.

Nothing is deleted here. Tags come first, then what lists others, then what was
listed, then referrers after their subjects: wherever it is broken off, no tag and
no index is left that leads to something deleted.

What no tag leads to can't be listed by a registry, so an index that was pushed by
digest alone protects nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field

from regbot.errors import NotSupported
from regbot.image.crew import Crew
from regbot.image.graph import Graph, Look, explore, tags_by_subject
from regbot.image.parts import children_of, part_of_referrer, part_of_tag
from regbot.image.usage import Usage, tagged
from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor
from regbot.oci.referrers import fallback_tag
from regbot.oci.tag import Name, Tag
from regbot.stopping import Stop
from regbot.store.protocol import ReadStore
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class RemoveTag:
    """Delete one tag, which was on ``digest`` when it was looked at.

    ``part`` is what it is of the image; empty for the image itself.
    """

    tag: Tag
    digest: Digest
    part: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class RemoveManifest:
    """Delete a manifest that no tag but removed ones was on. ``size`` is its own.

    ``part`` is as for a tag.
    """

    digest: Digest
    size: int
    part: str = field(default="", compare=False)


Step = RemoveTag | RemoveManifest


def plan_removal(
    store: ReadStore,
    name: Name,
    *,
    children: bool = False,
    referrers: bool = False,
    workers: int = 4,
    stop: Stop | None = None,
) -> tuple[Step, ...]:
    """The steps that delete a tag, then its manifest and what only that one needed.

    ``children``: also the manifests of an index. ``referrers``: also what refers to
    anything deleted, and the tags made of its digest (``sha256-<hex>.sig``). A
    manifest stays when another tag leads to it, or when it refers to something
    that stays. ``name`` may be a digest that no tag is on.

    Every other tag is looked at, and every index read. Raises NotFound without such
    a tag, NotSupported for a digest that is in use, Malformed for an index that
    can't be read, and what the store raises.
    """
    crew = Crew(workers, stop or Stop())
    root = store.head(name).descriptor
    tags = store.tags()
    look = Look(
        store,
        store.manifest,
        select=children_of if children else lambda _: (),
        referrers=referrers,
        digest_tags=tags_by_subject(tag for tag in tags if tag != name) if referrers else {},
        sparse=True,
    )
    graph = explore(root, look, crew)
    others = tagged(store, (tag for tag in tags if tag != name), crew)
    removed = _Decision(graph, root.digest, others, Usage(store, crew)).settle()
    if isinstance(name, Digest) and root.digest not in removed:
        users = sorted(tag for tag, target in others.items() if target.digest == root.digest)
        by = f"tags: {', '.join(users[:3])}" if users else "an index that stays"
        raise NotSupported(f"{store.repository.with_digest(name)} is in use by {by}")
    first = [] if isinstance(name, Digest) else [RemoveTag(name, root.digest)]
    return (*first, *_steps(graph, root.digest, removed, others, "manifest" if first else ""))


class _Decision:
    """Finds what can go: begins with everything, and takes out what has to stay."""

    def __init__(
        self, graph: Graph, root: Digest, others: dict[Tag, Descriptor], usage: Usage
    ) -> None:
        self._graph = graph
        self._root = root
        self._others = others
        self._usage = usage

    def settle(self) -> set[Digest]:
        """The manifests that nothing which stays needs."""
        removed = set(self._graph.manifests)
        while True:
            going = _tags_made_of(self._others, removed) if self._graph.tags else set()
            tagged = [target for tag, target in self._others.items() if tag not in going]
            kept = self._graph.manifests.keys() - removed
            also = [self._graph.manifests[digest].descriptor for digest in kept]
            used = self._usage.of([*tagged, *also])
            left = self._reached(removed - used)
            if left == removed:
                return removed
            removed = left

    def _reached(self, free: set[Digest]) -> set[Digest]:
        """Those that the root leads to through others that go."""
        reached: set[Digest] = set()
        waiting = [self._root] if self._root in free else []
        while waiting:
            digest = waiting.pop()
            if digest in reached:
                continue
            reached.add(digest)
            owned = self._graph.owned[digest]
            waiting += [below for below in owned if self._may_go(below, digest, free)]
        return {
            digest
            for digest in reached
            if digest == self._root or self._subject_goes(digest, reached)
        }

    def _may_go(self, digest: Digest, owner: Digest, free: set[Digest]) -> bool:
        """Whether ``owner`` can take this with it.

        A list of referrers may be wrong: what refers to nothing stays.
        """
        if digest not in free:
            return False
        refers = self._graph.manifests[digest].subject is not None
        at_tag = digest in self._graph.tags.values()
        return refers or at_tag or digest in self._graph.children[owner]

    def _subject_goes(self, digest: Digest, reached: set[Digest]) -> bool:
        subject = self._graph.manifests[digest].subject
        return subject is None or subject.digest in reached


def _steps(
    graph: Graph,
    root: Digest,
    removed: set[Digest],
    others: dict[Tag, Descriptor],
    root_part: str,
) -> Iterable[Step]:
    parts = {digest: part_of_tag(tag) for tag, digest in graph.tags.items()}
    going = _tags_made_of(others, removed) if graph.tags else set()
    for tag in sorted(going & graph.tags.keys()):
        yield RemoveTag(tag, graph.tags[tag], part_of_tag(tag))
    for digest in graph.owners_first(root):
        if digest in removed:
            manifest = graph.manifests[digest]
            part = parts.get(digest) or (
                part_of_referrer(manifest) if manifest.subject else "child"
            )
            yield RemoveManifest(digest, manifest.size, root_part if digest == root else part)


def _tags_made_of(tags: Iterable[Tag], digests: Iterable[Digest]) -> set[Tag]:
    """Those of the tags that are made of one of the digests."""
    by_subject = tags_by_subject(tags)
    return {tag for digest in digests for tag in by_subject.get(fallback_tag(digest), ())}
