"""``referrer.*``: what refers to an image by its subject, such as signatures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regbot.image.crew import Crew
from regbot.image.graph import Graph, Look, explore, tags_by_subject
from regbot.lua.api.context import Context
from regbot.lua.api.manifest import read_head
from regbot.lua.api.objects import MANIFEST, HeldManifest
from regbot.lua.binding import BOOLEAN, STRING, Binding, Parameter, Passed, plain
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag

_AT_ONCE = 4
"""How many manifests are read at once."""


def _list(
    context: Context,
    source: HeldManifest | Reference,
    *,
    artifactType: str,  # noqa: N803 - the option's name in scripts
) -> Passed:
    if isinstance(source, HeldManifest):
        reference, digest = source.reference, source.head.digest
    else:
        reference = source
        digest = source.digest or read_head(context, source).digest
    referrers = context.stores.open(reference).referrers(digest, artifactType)
    return Passed("[]Descriptor", [referrer.to_json() for referrer in referrers])


def _tree(
    context: Context,
    source: HeldManifest | Reference,
    *,
    digestTags: bool,  # noqa: N803 - the option's name in scripts
    artifactType: str,  # noqa: N803
) -> Passed:
    if isinstance(source, HeldManifest):
        reference, root = source.reference, source.head.descriptor
    else:
        reference, root = source, read_head(context, source).descriptor
    store = context.stores.open(reference)
    look = Look(
        store,
        store.manifest,
        referrers=True,
        digest_tags=tags_by_subject(store.tags()) if digestTags else {},
        sparse=True,
        emit=context.emit,
        takes=lambda entry: not artifactType or entry.artifact_type == artifactType,
    )
    graph = explore(root, look, Crew(_AT_ONCE, context.stop))
    return plain(_branch(root.digest, graph, {digest: tag for tag, digest in graph.tags.items()}))


def _branch(digest: Digest, graph: Graph, tags: Mapping[Digest, Tag]) -> dict[str, Any]:
    """A manifest with what belongs to it. ``graph`` has no circle, since digests can't."""
    manifest = graph.manifests.get(digest)
    listed = {child.digest: child for child in manifest.manifests} if manifest else {}
    branch: dict[str, Any] = {"digest": str(digest)}
    if manifest:
        branch["mediaType"] = manifest.media_type
        branch["artifactType"] = manifest.artifact_type if manifest.subject else ""
    if digest in tags:
        branch["tag"] = tags[digest]
    parts: dict[str, list[dict[str, Any]]] = {"manifests": [], "referrers": []}
    for below in dict.fromkeys(graph.owned.get(digest, ())):
        part = _branch(below, graph, tags)
        entry = listed.get(below)
        if entry and entry.platform:
            part["platform"] = str(entry.platform)
        parts["manifests" if entry else "referrers"].append(part)
    return {**branch, **{name: part for name, part in parts.items() if part}}


BINDINGS = (
    Binding(
        name="referrer.ls",
        doc="The descriptors of an image's referrers, such as signatures. They come from the"
        " registry's list of referrers. If the registry has no such list, they come from the"
        " fallback tag, sha256-<hex>.",
        parameters=(Parameter("ref", MANIFEST, "the image"),),
        options=(Parameter("artifactType", STRING, "only referrers of this type", default=""),),
        run=_list,
        result="regbot.DescriptorFields[]",
    ),
    Binding(
        name="referrer.tree",
        doc="All that belongs to an image, as a table: its digest, mediaType and artifactType;"
        " under manifests the same of each manifest that it lists, with its platform; and under"
        " referrers the same of what refers to it.",
        parameters=(Parameter("ref", MANIFEST, "the image"),),
        options=(
            Parameter(
                "digestTags",
                BOOLEAN,
                "also tags named after a digest, such as sha256-<hex>.sig of a signature",
                default=False,
            ),
            Parameter("artifactType", STRING, "only referrers of this type", default=""),
        ),
        run=_tree,
        result="table",
    ),
)
