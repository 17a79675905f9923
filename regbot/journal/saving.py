"""What has to be kept of something before it is deleted, so that it can be put back."""

from __future__ import annotations

from regbot.errors import NotFound
from regbot.events import Emit, ignore
from regbot.image.crew import Crew
from regbot.image.graph import Graph, Look, explore
from regbot.image.parts import blobs_of, children_of
from regbot.oci.digest import Digest
from regbot.oci.manifest import Manifest
from regbot.plan.look import Target
from regbot.plan.recorder import Saved
from regbot.stopping import Stop


def save(target: Target, *, stop: Stop, emit: Emit = ignore, workers: int = 4) -> Saved:
    """Read what a delete takes away: the manifest, its children, all that refers to them.

    What the look before the delete has read is not read again. A missing child is
    noted, and so is the manifest of a tag that leads nowhere. Raises what the store
    raises: what can't be read must not be deleted.
    """
    try:
        root = target.store.manifest(target.digest)
    except NotFound:
        if not target.may_be_missing:
            raise
        return Saved(target.digest, (), target.tags, (target.digest,))
    stop.check()
    blobs_of(root)  # what can't be read is not deleted
    if not children_of(root) and not target.store.referrers(root.digest):
        return Saved(target.digest, (root,), target.tags)
    look = Look(target.store, target.store.manifest, referrers=True, sparse=True, emit=emit)
    graph = explore(root.descriptor, look, Crew(workers, stop))
    missing = [
        digest
        for digest in graph.blobs
        if digest not in graph.manifests and not graph.blobs[digest]
    ]
    return Saved(target.digest, _in_order(graph, root.digest), target.tags, tuple(missing))


def _in_order(graph: Graph, root: Digest) -> tuple[Manifest, ...]:
    """Children before what lists them, referrers after what they refer to."""
    order: dict[Digest, None] = {}
    waiting = [root]
    while waiting:
        for digest in graph.ordered([waiting.pop(0)]):
            if digest not in order:
                order[digest] = None
                children = set(graph.children.get(digest, ()))
                waiting += [below for below in graph.owned.get(digest, ()) if below not in children]
    return tuple(graph.manifests[digest] for digest in order if digest in graph.manifests)
