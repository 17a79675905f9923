"""What a manifest is made of: other manifests, and blobs.

OCI image spec, "Image Index", "Image Manifest"; docker's schema 2 has the same
shape. An index may list blobs too, as build caches do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from regbot.errors import Malformed
from regbot.oci.manifest import IMAGES, INDEXES, SCHEMA1, Descriptor, Manifest
from regbot.oci.referrers import fallback_tag

Kind = Literal["index", "image", "blob", "unknown"]

_DIGEST_TAG = re.compile(r"sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{64,128})(?:\..+)?")
_OF_A_BLOB = (".layer.", "rootfs", "config")
_BY_ENDING = {
    "": "list of referrers",
    "sig": "signature",
    "att": "attestation",
    "sbom": "SBOM",
}
_BY_TYPE = (
    ("spdx", "SBOM"),
    ("cyclonedx", "SBOM"),
    ("sbom", "SBOM"),
    ("in-toto", "attestation"),
    ("attestation", "attestation"),
    ("sigstore", "signature"),
    ("signature", "signature"),
    (".sig.", "signature"),
)
_EXTERNAL = (".foreign.", ".nondistributable.")


def kind_of(descriptor: Descriptor) -> Kind:
    """What an entry of an index is, by its media type; ``image`` lists no manifests."""
    media_type = descriptor.media_type
    if media_type in INDEXES:
        return "index"
    if media_type in IMAGES or media_type in SCHEMA1:
        return "image"
    return "blob" if any(part in media_type for part in _OF_A_BLOB) else "unknown"


def is_external(descriptor: Descriptor) -> bool:
    """Whether a layer is to be had elsewhere and may not be passed on.

    Image spec, "Layer Media Types" > "Non-Distributable Layers".
    """
    return bool(descriptor.data.get("urls")) or any(
        part in descriptor.media_type for part in _EXTERNAL
    )


def blobs_of(manifest: Manifest) -> tuple[Descriptor, ...]:
    """Config and layers; for the former artifact manifest its ``blobs``.

    Entries of an index that are blobs by their type are among them. Raises Malformed.
    """
    if manifest.media_type in SCHEMA1:
        return ()
    if manifest.is_index:
        return tuple(entry for entry in manifest.manifests if kind_of(entry) == "blob")
    config = manifest.config
    others = manifest.data.get("blobs") or ()
    if not isinstance(others, list | tuple):
        raise Malformed(f"'blobs' of manifest {manifest.digest} is not an array")
    listed = (*manifest.layers, *(Descriptor.from_json(entry) for entry in others))
    return (config, *listed) if config else listed


def children_of(manifest: Manifest) -> tuple[Descriptor, ...]:
    """The entries of an index that are manifests, or may be."""
    return tuple(entry for entry in manifest.manifests if kind_of(entry) != "blob")


def is_attestation(entry: Descriptor) -> bool:
    """Whether an entry of an index is no image but tells of one, as BuildKit's provenance does."""
    return entry.platform is not None and entry.platform.architecture == "unknown"


def is_referrer_list(tag: str, manifest: Manifest, members: Sequence[Manifest]) -> bool:
    """Whether a manifest at ``tag`` is the list of referrers that clients keep there.

    Distribution spec, "Referrers Tag Schema".
    """
    if not manifest.is_index:
        return False
    subjects = [member.subject for member in members]
    return all(subject and fallback_tag(subject.digest) == tag for subject in subjects)


def is_digest_tag(tag: str) -> bool:
    """Whether a tag is made of a digest: ``sha256-<hex>``, or that with an ending as cosign's."""
    return _DIGEST_TAG.fullmatch(tag) is not None


def part_of_tag(tag: str) -> str:
    """What is at a tag made of a digest, by its ending: a signature, or what else cosign makes."""
    return _BY_ENDING.get(tag.partition(".")[2], "referrer")


def part_of_referrer(referrer: Manifest | Descriptor) -> str:
    """What a referrer is, by its artifact type: a signature, an attestation or an SBOM."""
    kinds = (kind for word, kind in _BY_TYPE if word in referrer.artifact_type.lower())
    return next(kinds, "referrer")


def subject_of_tag(tag: str) -> str:
    """The part of a tag such as ``sha256-<hex>.sig`` that names a digest."""
    return tag.partition(".")[0]
