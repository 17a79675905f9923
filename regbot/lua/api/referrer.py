"""``referrer.*``: what refers to an image by its subject, such as signatures."""

from __future__ import annotations

from regbot.lua.api.context import Context
from regbot.lua.api.manifest import read_head
from regbot.lua.api.objects import MANIFEST, HeldManifest
from regbot.lua.binding import STRING, Binding, Parameter, Passed
from regbot.oci.reference import Reference


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
)
