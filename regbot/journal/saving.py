"""What has to be kept of something before it is deleted, so that it can be put back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from regbot.errors import NotFound
from regbot.events import Emit, ignore
from regbot.image.crew import Crew
from regbot.image.graph import Graph, Look, explore
from regbot.image.parts import blobs_of
from regbot.image.usage import tags_of
from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor, Manifest
from regbot.oci.tag import Tag
from regbot.plan.action import DeleteManifest, DeleteTag
from regbot.stopping import Stop
from regbot.store.placeholder import original_of
from regbot.store.protocol import ReadStore

Delete = DeleteTag | DeleteManifest


@dataclass(frozen=True, slots=True)
class Saved:
    """All that goes with a delete, as it was read just before.

    ``manifests`` are in the order to put them back: children, the manifest itself,
    then what refers to any of them, each after its own children. ``tags`` are those
    that go. ``missing`` are manifests that were not there any more.
    """

    digest: Digest
    manifests: tuple[Manifest, ...] = ()
    tags: tuple[Tag, ...] = ()
    missing: tuple[Digest, ...] = ()

    @property
    def blobs(self) -> dict[Digest, int]:
        """The blobs that the manifests need, with their sizes in bytes."""
        return {blob.digest: blob.size for own in self.manifests for blob in blobs_of(own)}


def save_before(
    store: ReadStore,
    action: Delete,
    *,
    stop: Stop,
    emit: Emit = ignore,
    tags: Sequence[Tag] | None = None,
    workers: int = 4,
) -> Saved:
    """Read what a delete takes away: the manifest, its children, all that refers to them.

    For DeleteManifest also its tags, which takes a HEAD of every tag in the
    repository; ``tags`` are those, where the caller knows them. A missing child is
    noted, and so is the manifest of a tag that leads nowhere. Raises NotFound when
    the tag or digest itself is not there, and whatever else the store raises: what
    can't be read must not be deleted.
    """
    by_tag = isinstance(action, DeleteTag)
    root = _root(store, action)
    own_tags: Sequence[Tag]
    if isinstance(action, DeleteTag):
        own_tags = [action.tag]
    else:
        own_tags = _tags_on(store, root.digest, workers, stop) if tags is None else tags
    look = Look(
        store,
        store.manifest,
        referrers=True,
        sparse=True,
        emit=emit,
    )
    crew = Crew(workers, stop)
    graph = _graph(root, look, crew, may_miss=by_tag)
    if by_tag and root.digest in graph.manifests:
        original = original_of(store, graph.manifests[root.digest])
        if original is not None:
            # The tag was left half deleted: what has to come back is what it was on.
            if _is_gone(store, original):
                return Saved(original, (), tuple(own_tags), (original,))
            root = store.head(original).descriptor
            graph = _graph(root, look, crew, may_miss=True)
    missing = [own for own in graph.blobs if own not in graph.manifests and not graph.blobs[own]]
    return Saved(root.digest, _in_order(graph, root.digest), tuple(own_tags), tuple(missing))


def _root(store: ReadStore, action: Delete) -> Descriptor:
    """What goes: of a tag that is not on its digest any more, only that digest can.

    It may be on the small manifest by which another delete takes it away.
    """
    if isinstance(action, DeleteManifest):
        return store.head(action.digest).descriptor
    found = store.head(action.tag).descriptor
    if action.digest is None or action.digest == found.digest or _is_gone(store, action.digest):
        return found
    return store.head(action.digest).descriptor


def _graph(root: Descriptor, look: Look, crew: Crew, *, may_miss: bool) -> Graph:
    """What the root leads to; a root that is not there is its only, empty, entry."""
    try:
        return explore(root, look, crew)
    except NotFound:
        if may_miss and _is_gone(look.store, root.digest):
            return Graph(blobs={root.digest: ()})
        raise


def _is_gone(store: ReadStore, digest: Digest) -> bool:
    try:
        store.manifest(digest)
    except NotFound:
        return True
    return False


def _tags_on(store: ReadStore, digest: Digest, workers: int, stop: Stop) -> list[Tag]:
    """The tags on a digest. A repository without any tag may say that it is not there."""
    try:
        return tags_of(store, digest, workers=workers, stop=stop)
    except NotFound:
        return []


def _in_order(graph: Graph, root: Digest) -> tuple[Manifest, ...]:
    """Children before what lists them, referrers after what they refer to."""
    order: dict[Digest, None] = {}
    waiting = [root]
    while waiting:
        for digest in graph.ordered([waiting.pop(0)]):
            if digest not in order:
                order[digest] = None
                children = set(graph.children.get(digest, ()))
                waiting += [own for own in graph.owned.get(digest, ()) if own not in children]
    return tuple(graph.manifests[digest] for digest in order if digest in graph.manifests)
