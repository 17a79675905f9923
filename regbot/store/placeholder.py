"""The placeholder: a small image that is put on a tag and deleted with it.

It has a layer, since some registries refuse an image without, and is of the
family (OCI or docker) of what it replaces.
"""

from __future__ import annotations

import gzip
import json
import secrets
from collections.abc import Mapping
from typing import Any

from regbot.errors import ContentError, InvalidValue, NotFound
from regbot.oci.digest import Digest
from regbot.oci.manifest import (
    DOCKER_CONFIG,
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_MANIFEST,
    ImageConfig,
    Manifest,
)
from regbot.oci.tag import Name
from regbot.store.protocol import ReadStore, read_blob
from regbot.values import dataclass

_OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_EMPTY_TAR = bytes(1024)
_LAYER = gzip.compress(_EMPTY_TAR, mtime=0)
_TAKES_AWAY = "takes a tag away from "
_LARGEST_CONFIG = 4096


@dataclass(frozen=True, slots=True)
class Placeholder:
    """The manifest and the blobs it needs, by digest."""

    manifest: Manifest
    blobs: Mapping[Digest, bytes]


def placeholder_for(media_type: str, note: str) -> Placeholder:
    """One for a manifest of ``media_type``; another ``note`` gives another digest."""
    docker = media_type in (DOCKER_MANIFEST, DOCKER_INDEX)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"regbot": note}},
            "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(_EMPTY_TAR))]},
        }
    ).encode()
    data = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
        "config": _descriptor(DOCKER_CONFIG if docker else OCI_CONFIG, config),
        "layers": [_descriptor(_DOCKER_LAYER if docker else _OCI_LAYER, _LAYER)],
    }
    blobs = {Digest.of(content): content for content in (config, _LAYER)}
    return Placeholder(Manifest.build(data), blobs)


def taking_away(original: Manifest) -> Placeholder:
    """One to put on a tag of ``original``; no two are equal."""
    note = f"{_TAKES_AWAY}{original.digest} {secrets.token_hex(16)}"
    return placeholder_for(original.media_type, note)


def replaced_by(store: ReadStore, name: Name) -> Digest | None:
    """The digest that a tag had before ``taking_away`` was put on it; None for what is none.

    A program that is killed half-way may leave one. Raises what the store raises.
    """
    try:
        return original_of(store, store.manifest(name))
    except (NotFound, ContentError, InvalidValue):
        return None


def original_of(store: ReadStore, manifest: Manifest) -> Digest | None:
    """The same for a manifest at hand."""
    try:
        if len(manifest.data["layers"]) != 1 or manifest.layers[0].digest != Digest.of(_LAYER):
            return None
        config = manifest.config
        if config is None:
            return None
        raw = read_blob(store, config.digest, size=config.size, limit=_LARGEST_CONFIG)
        note = ImageConfig.parse(raw, config).data["config"]["Labels"]["regbot"]
        return Digest.parse(note.removeprefix(_TAKES_AWAY).partition(" ")[0])
    except (NotFound, ContentError, InvalidValue, LookupError, TypeError, AttributeError):
        return None


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}
