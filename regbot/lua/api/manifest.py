"""``manifest.*``: manifests and indexes, read and deleted."""

from __future__ import annotations

from regbot.errors import InvalidValue, NotFound
from regbot.image.resolve import image_of
from regbot.lua.api.context import Context
from regbot.lua.api.names import REFERENCE
from regbot.lua.api.objects import (
    FOR_PLATFORM,
    MANIFEST,
    MANIFEST_HEAD,
    SOURCE,
    HeldConfig,
    HeldManifest,
    give_descriptor,
    give_head,
    give_manifest,
)
from regbot.lua.binding import BOOLEAN, COUNT, STRING, Binding, Parameter, Passed, plain
from regbot.lua.wire import indented, to_text
from regbot.oci.manifest import Head, Manifest
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference
from regbot.plan.action import DeleteManifest, PutManifest

_REF = Parameter("ref", REFERENCE, "text, a reference, or an object that came from one")


def read_manifest(context: Context, reference: Reference) -> Manifest:
    """The manifest or index a reference names, noted as seen."""
    manifest = context.stores.open(reference).manifest(reference.name)
    context.saw(reference, manifest.digest)
    return manifest


def _get(context: Context, reference: Reference, platform: Platform | None) -> Passed:
    manifest = read_manifest(context, reference)
    image = image_of(context.stores.open(reference), manifest, platform)
    return give_manifest(reference, image)


def _get_list(context: Context, reference: Reference) -> Passed:
    return give_manifest(reference, read_manifest(context, reference))


def read_head(context: Context, reference: Reference) -> Head:
    """What a HEAD tells of a reference, noted as seen."""
    head = context.stores.open(reference).head(reference.name)
    context.saw(reference, head.digest)
    return head


def _head(context: Context, reference: Reference) -> Passed:
    return give_head(reference, read_head(context, reference))


def _exists(context: Context, reference: Reference) -> Passed:
    try:
        read_head(context, reference)
    except NotFound:
        return plain(value=False)
    return plain(value=True)


def _descriptor(context: Context, source: HeldManifest | Reference) -> Passed:
    head = source.head if isinstance(source, HeldManifest) else read_head(context, source)
    return give_descriptor(head.descriptor)


def _delete(
    context: Context,
    source: HeldManifest | Reference,
    *,
    unlessTagged: bool,  # noqa: N803 - the option's name in scripts
    ignoreMissing: bool,  # noqa: N803
    reason: str,
) -> Passed:
    if isinstance(source, HeldManifest):
        reference, digest = source.reference, source.head.digest
    elif source.digest:
        reference, digest = source, source.digest
    else:
        try:
            reference, digest = source, read_head(context, source).digest
        except NotFound:
            if not ignoreMissing:
                raise
            return plain(None)
    context.executor.execute(
        DeleteManifest(
            reference.with_digest(digest),
            digest,
            reason or context.last_message,
            unless_tagged=unlessTagged,
            may_be_gone=ignoreMissing,
        )
    )
    return plain(None)


def manifest_of(context: Context, source: HeldManifest | HeldConfig | Reference) -> Manifest:
    """The manifest that is meant: as the script has it, else as the registry gives it.

    That of a config is the image it was read from.
    """
    if isinstance(source, Reference):
        return read_manifest(context, source)
    if isinstance(source, HeldConfig):
        return context.stores.open(source.reference).manifest(source.image)
    if source.manifest:
        return source.manifest
    return read_manifest(context, source.reference.with_digest(source.head.digest))


def _put(
    context: Context,
    source: HeldManifest | HeldConfig | Reference,
    target: Reference | None,
    *,
    byDigest: bool,  # noqa: N803 - the option's name in scripts
) -> Passed:
    if target is None:
        if not isinstance(source, HeldManifest):
            raise InvalidValue("argument 2 (ref): expected a reference, got nil")
        target = source.reference
    manifest = manifest_of(context, source)
    target = target.with_digest(manifest.digest) if byDigest else target
    context.executor.execute(PutManifest(target, manifest, context.last_message))
    context.seen.digest(target, manifest.digest)
    return plain(str(manifest.digest))


def _difference(
    context: Context,
    before: HeldManifest | Reference,
    after: HeldManifest | Reference,
    *,
    lines: int,
    full: bool,
) -> Passed:
    from difflib import unified_diff

    first, second = _lines(context, before), _lines(context, after)
    names = [
        str(each if isinstance(each, Reference) else each.reference) for each in (before, after)
    ]
    around = len(first) + len(second) if full else lines
    difference = unified_diff(first, second, names[0], names[1], n=around, lineterm="")
    return plain("\n".join(difference))


def _lines(context: Context, source: HeldManifest | Reference) -> list[str]:
    return indented(to_text(manifest_of(context, source).raw)).splitlines()


def _rate_limit(context: Context, source: HeldManifest | Reference) -> Passed:
    head = source.head if isinstance(source, HeldManifest) else read_head(context, source)
    rate = head.rate_limit
    return plain(
        {
            "Set": rate.known,
            "Remain": rate.remaining or 0,
            "Limit": rate.limit or 0,
            "Reset": rate.reset or 0,
            "Policies": list(rate.policies),
        }
    )


BINDINGS = (
    Binding(
        name="manifest.get",
        doc="The manifest of a single image. Of an index, it is the image for the platform. Without"
        " platform, it is the image for the local platform, or the only image of the index.",
        parameters=(
            _REF,
            FOR_PLATFORM,
        ),
        run=_get,
        result="regbot.Manifest",
        names=("image.manifest",),
        method_of=("manifest",),
        method="get",
    ),
    Binding(
        name="manifest.getList",
        doc="The manifest or index that the reference names. Of an index, it is the index itself.",
        parameters=(_REF,),
        run=_get_list,
        result="regbot.Manifest",
        names=("image.manifestList",),
    ),
    Binding(
        name="manifest.head",
        doc="The media type, digest, size and rate limit of a manifest. Its content is not read.",
        parameters=(_REF,),
        run=_head,
        result="regbot.Manifest",
        names=("image.manifestHead",),
        method_of=("manifest",),
        method="head",
    ),
    Binding(
        name="manifest.exists",
        doc="Whether a manifest exists. Gives false only if the registry says that there is none."
        " Everything else that goes wrong is an error.",
        parameters=(_REF,),
        run=_exists,
        result="boolean",
    ),
    Binding(
        name="manifest.descriptor",
        doc="A table with MediaType, Digest and Size of a manifest.",
        parameters=(Parameter("ref", MANIFEST_HEAD, "a manifest, or a reference to one"),),
        run=_descriptor,
        result="regbot.DescriptorFields",
        method_of=("manifest",),
        method="descriptor",
    ),
    Binding(
        name="manifest.delete",
        doc="Delete a manifest by its digest, and with it every tag on this digest. To delete only"
        " one tag, use tag.delete. A manifest in use is skipped with a warning.",
        parameters=(Parameter("ref", MANIFEST_HEAD, "a manifest, or a reference to one"),),
        options=(
            Parameter("unlessTagged", BOOLEAN, "fail if a tag is on it", default=False),
            Parameter(
                "ignoreMissing", BOOLEAN, "a manifest that isn't there is no error", default=False
            ),
            Parameter("reason", STRING, "the reason, for the report", default=""),
        ),
        run=_delete,
        method_of=("manifest",),
        method="delete",
        changes=True,
    ),
    Binding(
        name="manifest.put",
        doc="Store a manifest under the tag or digest of a reference, and give its digest. Its"
        " blobs and children have to be there already. To store a manifest with edits, call export"
        " first. In place of the manifest, a reference (also as text) or a config may be given:"
        " then the manifest that it came from is stored under the new reference.",
        parameters=(
            Parameter("manifest", SOURCE, "the manifest, or a reference to it"),
            Parameter("ref", REFERENCE, "the target. Default: where it came from", optional=True),
        ),
        options=(
            Parameter("byDigest", BOOLEAN, "store it by its digest, without a tag", default=False),
        ),
        run=_put,
        result="string",
        method_of=("manifest",),
        method="put",
        changes=True,
    ),
    Binding(
        name="manifest.diff",
        doc="The difference of two manifests or indexes, line by line as diff -u writes it; empty"
        " where they are the same.",
        parameters=(
            Parameter("before", MANIFEST, "a manifest, or a reference to one"),
            Parameter("after", MANIFEST, "another one"),
        ),
        options=(
            Parameter("lines", COUNT, "lines to show around what differs", default=3),
            Parameter("full", BOOLEAN, "show all lines", default=False),
        ),
        run=_difference,
        result="string",
    ),
    Binding(
        name="manifest.ratelimit",
        doc="The registry's pull limit at the time when the manifest was read, as a table with Set,"
        " Remain, Limit, Reset (in seconds) and Policies. Of a reference, the limit of now.",
        parameters=(Parameter("manifest", MANIFEST_HEAD, "a manifest, or a reference to one"),),
        run=_rate_limit,
        result="table",
        method_of=("manifest",),
        method="ratelimit",
    ),
)
