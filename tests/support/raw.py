"""Fills a real registry by plain HTTP, without any of regbot's own stores."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from support.images import Image
from support.servers import RealRegistry


def push_raw(registry: RealRegistry, repository: str, tag: str, image: Image) -> str:
    """Upload an image with its blobs and children; an empty tag: by digest alone."""
    for child in image.children:
        push_raw(registry, repository, "", child)
    for digest, content in image.blobs.items():
        _, headers, _ = registry.raw("POST", f"/v2/{repository}/blobs/uploads/")
        where = urlsplit(headers["location"])
        path = f"{where.path}?{where.query}&digest={quote(str(digest))}"
        status, _, body = registry.raw(
            "PUT", path, content, {"Content-Type": "application/octet-stream"}
        )
        assert status == 201, body
    manifest = image.manifest
    path = f"/v2/{repository}/manifests/{tag or manifest.digest}"
    status, _, body = registry.raw("PUT", path, manifest.raw, {"Content-Type": manifest.media_type})
    assert status == 201, body
    return str(manifest.digest)
