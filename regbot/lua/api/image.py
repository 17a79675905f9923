"""``image.*``: what an image is made of."""

from __future__ import annotations

from regbot.errors import Malformed
from regbot.lua.api.context import Context
from regbot.lua.api.manifest import read_image, resolve
from regbot.lua.api.objects import MANIFEST, PLATFORM, HeldManifest, give_config
from regbot.lua.binding import Binding, Parameter, Passed
from regbot.oci.manifest import ImageConfig
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference
from regbot.store.protocol import read_blob


def read_config(
    context: Context, source: HeldManifest | Reference, platform: Platform | None
) -> tuple[Reference, ImageConfig]:
    """The config of an image, and the reference it was asked by."""
    if isinstance(source, HeldManifest) and source.manifest:
        reference = source.reference
        at, manifest = resolve(context, reference, source.manifest, platform)
    else:
        reference = source.reference if isinstance(source, HeldManifest) else source
        at, manifest = read_image(context, reference, platform)
    descriptor = manifest.config
    if descriptor is None:
        raise Malformed(f"{at} has no config")
    raw = read_blob(
        context.stores.open(reference),
        descriptor.digest,
        size=descriptor.size,
        limit=context.blob_limit,
    )
    return reference, ImageConfig.parse(raw, descriptor)


def _config(
    context: Context, source: HeldManifest | Reference, platform: Platform | None
) -> Passed:
    return give_config(*read_config(context, source, platform))


BINDINGS = (
    Binding(
        name="image.config",
        doc="The config of an image: its labels, when it was created, what it runs.",
        parameters=(
            Parameter("ref", MANIFEST, "a manifest, or a reference to an image"),
            Parameter("platform", PLATFORM, "os/arch[/variant][,osver=<version>]", optional=True),
        ),
        run=_config,
        result="config",
        method_of=("manifest",),
        method="config",
    ),
)
