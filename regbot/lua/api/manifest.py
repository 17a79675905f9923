"""``manifest.*``: manifests and indexes, read and deleted."""

from __future__ import annotations

from regbot.lua.api.context import Context
from regbot.lua.api.objects import (
    MANIFEST,
    PLATFORM,
    REFERENCE,
    HeldManifest,
    give_descriptor,
    give_head,
    give_manifest,
)
from regbot.lua.binding import Binding, Parameter, Passed, plain
from regbot.oci.digest import Digest
from regbot.oci.manifest import Head, Manifest
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference
from regbot.plan.action import DeleteManifest

_REF = Parameter("ref", REFERENCE, "text, a reference, or an object that came from one")


def read_manifest(context: Context, reference: Reference) -> Manifest:
    """The manifest or index a reference names, noted as seen."""
    manifest = context.stores.open(reference).manifest(reference.name)
    context.seen.digest(reference, manifest.digest)
    return manifest


def read_image(
    context: Context, reference: Reference, platform: Platform | None
) -> tuple[Reference, Manifest]:
    """The manifest of a single image: an index is resolved, also a nested one."""
    return resolve(context, reference, read_manifest(context, reference), platform)


def resolve(
    context: Context, reference: Reference, manifest: Manifest, platform: Platform | None
) -> tuple[Reference, Manifest]:
    """The image of a platform that a manifest is or leads to, and where it stands.

    Raises NotFound when no image fits.
    """
    while manifest.is_index:
        child = manifest.child_for(platform)
        reference = reference.with_digest(str(child.digest))
        manifest = context.stores.open(reference).manifest(reference.name)
    return reference, manifest


def _get(context: Context, reference: Reference, platform: Platform | None) -> Passed:
    return give_manifest(reference, read_image(context, reference, platform)[1])


def _get_list(context: Context, reference: Reference) -> Passed:
    return give_manifest(reference, read_manifest(context, reference))


def read_head(context: Context, reference: Reference) -> Head:
    """What a HEAD tells of a reference, noted as seen."""
    head = context.stores.open(reference).head(reference.name)
    context.seen.digest(reference, head.digest)
    return head


def _head(context: Context, reference: Reference) -> Passed:
    return give_head(reference, read_head(context, reference))


def _descriptor(context: Context, source: HeldManifest | Reference) -> Passed:
    head = source.head if isinstance(source, HeldManifest) else read_head(context, source)
    return give_descriptor(head.descriptor)


def _delete(context: Context, source: HeldManifest | Reference) -> Passed:
    if isinstance(source, HeldManifest):
        reference, digest = source.reference, source.head.digest
    elif source.digest:
        reference, digest = source, Digest.parse(source.digest)
    else:
        reference, digest = source, read_head(context, source).digest
    context.executor.execute(
        DeleteManifest(reference.with_digest(str(digest)), digest, context.last_message)
    )
    return plain(None)


BINDINGS = (
    Binding(
        name="manifest.get",
        doc="The manifest of a single image. An index is resolved to the platform; without one,"
        " to the local platform or, when that is missing, to the only image there is.",
        parameters=(
            _REF,
            Parameter("platform", PLATFORM, "os/arch[/variant][,osver=<version>]", optional=True),
        ),
        run=_get,
        result="manifest",
        names=("image.manifest",),
        method_of=("manifest",),
        method="get",
    ),
    Binding(
        name="manifest.getList",
        doc="The manifest or index as it is, not resolved.",
        parameters=(_REF,),
        run=_get_list,
        result="manifest",
        names=("image.manifestList",),
    ),
    Binding(
        name="manifest.head",
        doc="Media type, digest, size and rate limit of a manifest, without its body.",
        parameters=(_REF,),
        run=_head,
        result="manifest",
        names=("image.manifestHead",),
        method_of=("manifest",),
        method="head",
    ),
    Binding(
        name="manifest.descriptor",
        doc="MediaType, Digest and Size of a manifest, as a table.",
        parameters=(Parameter("ref", MANIFEST, "a manifest, or a reference to one"),),
        run=_descriptor,
        result="table",
        method_of=("manifest",),
        method="descriptor",
    ),
    Binding(
        name="manifest.delete",
        doc="Delete a manifest by digest, and with it every tag on it. To take away one tag"
        " alone, use tag.delete.",
        parameters=(Parameter("ref", MANIFEST, "a manifest, or a reference to one"),),
        run=_delete,
        method_of=("manifest",),
        method="delete",
        changes=True,
    ),
)
