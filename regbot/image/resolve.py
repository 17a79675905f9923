"""From a manifest or index to the one image that is meant."""

from __future__ import annotations

from regbot.errors import Malformed
from regbot.image.graph import DEEPEST
from regbot.oci.manifest import Manifest
from regbot.oci.platform import Platform
from regbot.store.protocol import ReadStore


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
