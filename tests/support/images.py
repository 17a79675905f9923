"""Small images as values, and a way to put them into any Store.

    image = make_image(created="2024-05-01T00:00:00Z", labels={"build": "7"})
    push(store, image, "v7")

Everything is deterministic: equal arguments give equal digests.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from regbot.oci.digest import Digest
from regbot.oci.manifest import (
    DOCKER_CONFIG,
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
)
from regbot.oci.tag import Tag
from regbot.store.protocol import Store

OCI_EMPTY = "application/vnd.oci.empty.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"


@dataclass(frozen=True, slots=True)
class Image:
    """An image, an artifact or an index, with all it needs to be pushed.

    ``config`` and ``blobs`` (config and layers by digest) are empty for an index,
    ``children`` for an image.
    """

    manifest: Manifest
    config: bytes = b""
    blobs: Mapping[Digest, bytes] = field(default_factory=dict, repr=False)
    children: tuple[Image, ...] = ()

    @property
    def digest(self) -> Digest:
        return self.manifest.digest


def make_layer(text: str) -> bytes:
    """A tar with one small file, so that strict tools can unpack it."""
    content = text.encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo("hello.txt")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def make_image(
    *,
    created: str | None = "2024-01-01T00:00:00Z",
    labels: Mapping[str, str] | None = None,
    platform: str = "linux/amd64",
    layers: Sequence[bytes] = (),
    annotations: Mapping[str, str] | None = None,
    docker: bool = False,
) -> Image:
    """An image; without ``layers`` it gets one that any image has.

    ``docker`` makes docker's schema 2 of it, ``created`` None leaves the date out.
    """
    contents = list(layers) or [make_layer("hello")]
    system, architecture, *variant = platform.split("/")
    config_data: dict[str, Any] = {"os": system, "architecture": architecture}
    config_data |= {"variant": variant[0]} if variant else {}
    config_data |= {"created": created} if created is not None else {}
    config_data["config"] = {"Labels": dict(labels)} if labels else {}
    diff_ids = [f"sha256:{hashlib.sha256(content).hexdigest()}" for content in contents]
    config_data["rootfs"] = {"type": "layers", "diff_ids": diff_ids}
    config = json.dumps(config_data).encode()
    layer_type = DOCKER_LAYER if docker else OCI_LAYER
    data: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
        "config": descriptor(config, DOCKER_CONFIG if docker else OCI_CONFIG),
        "layers": [descriptor(content, layer_type) for content in contents],
    }
    data |= {"annotations": dict(annotations)} if annotations else {}
    return Image(Manifest.build(data), config, _by_digest(config, *contents))


def make_index(
    children: Mapping[str, Image],
    *,
    annotations: Mapping[str, str] | None = None,
    docker: bool = False,
) -> Image:
    """An index of images by platform text, such as ``linux/arm/v7``."""
    entries = []
    for platform, child in children.items():
        name, _, version = platform.partition(",osver=")
        system, architecture, *variant = name.split("/")
        entry: dict[str, Any] = child.manifest.descriptor.to_json()
        entry["platform"] = {"os": system, "architecture": architecture}
        entry["platform"] |= {"variant": variant[0]} if variant else {}
        entry["platform"] |= {"os.version": version} if version else {}
        entries.append(entry)
    data: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": DOCKER_INDEX if docker else OCI_INDEX,
        "manifests": entries,
    }
    data |= {"annotations": dict(annotations)} if annotations else {}
    return Image(Manifest.build(data), children=tuple(children.values()))


def make_referrer(
    subject: Manifest,
    *,
    artifact_type: str = "application/vnd.example.signature",
    content: bytes = b"signed",
    annotations: Mapping[str, str] | None = None,
) -> Image:
    """An artifact that refers to ``subject``, such as a signature."""
    data: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": descriptor(b"{}", OCI_EMPTY),
        "layers": [descriptor(content, "application/octet-stream")],
        "subject": subject.descriptor.to_json(),
    }
    data |= {"annotations": dict(annotations)} if annotations else {}
    return Image(Manifest.build(data), b"{}", _by_digest(b"{}", content))


def descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    """The JSON descriptor of bytes."""
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}


def push_blobs(store: Store, image: Image) -> None:
    """Put everything the image's manifest needs, children included."""
    for child in image.children:
        push(store, child)
    for digest, content in image.blobs.items():
        store.put_blob(lambda content=content: [content], digest=digest, size=len(content))


def push(store: Store, image: Image, tag: str = "") -> Manifest:
    """Put a whole image, its manifest last, under a tag or under its digest alone."""
    push_blobs(store, image)
    store.put_manifest(Tag(tag) if tag else image.digest, image.manifest)
    return image.manifest


def _by_digest(*contents: bytes) -> dict[Digest, bytes]:
    return {Digest.of(content): content for content in contents}
