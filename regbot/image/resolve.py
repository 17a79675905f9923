"""From a manifest or index to the one image, and the config, that is meant."""

from __future__ import annotations

from regbot.errors import Malformed
from regbot.image.graph import DEEPEST
from regbot.oci.manifest import ImageConfig, Manifest
from regbot.oci.platform import Platform
from regbot.store.protocol import ReadStore, read_blob


def image_of(store: ReadStore, manifest: Manifest, platform: Platform | None = None) -> Manifest:
    """The manifest of a single image: an index is resolved, also a nested one.

    ``platform`` None is the local one; see ``Manifest.child_for``. Raises NotFound
    when no image fits, Malformed for more than DEEPEST indexes within one another.
    """
    for _ in range(DEEPEST):
        if not manifest.is_index:
            return manifest
        manifest = store.manifest(manifest.child_for(platform).digest)
    raise Malformed(f"{store.repository}: indexes are nested deeper than {DEEPEST} levels")


def config_of(store: ReadStore, image: Manifest, *, limit: int) -> ImageConfig:
    """The config of a single image, of ``limit`` bytes at most. Raises Malformed without one."""
    descriptor = image.config
    if descriptor is None:
        raise Malformed(f"{store.repository}@{image.digest} has no config")
    raw = read_blob(store, descriptor.digest, size=descriptor.size, limit=limit)
    return ImageConfig.parse(raw, descriptor)
