"""The referrers tag: a list of a manifest's referrers, kept by clients.

For stores without a referrers API, the list is an index under a tag that is made from the
subject's digest. Distribution spec, "Referrers Tag Schema", "Pushing Manifests with
Subject", "Deleting Manifests".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from regbot.errors import Malformed
from regbot.oci.digest import Digest
from regbot.oci.manifest import OCI_INDEX, Descriptor, Manifest
from regbot.oci.tag import Tag


def fallback_tag(subject: Digest) -> Tag:
    """The tag of the list of a subject's referrers."""
    return Tag(f"{subject.algorithm[:32]}-{subject.hex[:64]}")


def as_referrer(manifest: Manifest) -> Descriptor:
    """The descriptor of a referrer in a list: with its type and annotations."""
    data: dict[str, Any] = {
        "mediaType": manifest.media_type,
        "digest": str(manifest.digest),
        "size": manifest.size,
    }
    if manifest.artifact_type:
        data["artifactType"] = manifest.artifact_type
    if manifest.annotations:
        data["annotations"] = manifest.annotations
    return Descriptor.from_json(data)


def with_referrer(listing: Manifest | None, referrer: Manifest) -> Manifest:
    """The list with a referrer added, or the same list if it has it.

    Raises Malformed if ``listing`` is not an index.
    """
    return with_entries(listing, [as_referrer(referrer)])


def with_entries(listing: Manifest | None, entries: Sequence[Descriptor]) -> Manifest:
    """The list, or a new one, with entries added, or the same list if it has them.

    Raises Malformed if ``listing`` is not an index.
    """
    there = _entries(listing) if listing else []
    known = {child.digest for child in listing.manifests} if listing else set()
    added = [entry.to_json() for entry in entries if entry.digest not in known]
    if listing and not added:
        return listing
    rest = _typed(listing) if listing else {"schemaVersion": 2, "mediaType": OCI_INDEX}
    return Manifest.build({**rest, "manifests": [*there, *added]})


def without_referrer(listing: Manifest, referrer: Digest) -> Manifest | None:
    """The list without a referrer, or None if it becomes empty.

    Raises Malformed if ``listing`` is not an index.
    """
    entries = _entries(listing)
    left = [entry for entry in entries if entry.get("digest") != str(referrer)]
    if len(left) == len(entries):
        return listing
    return Manifest.build({**_typed(listing), "manifests": left}) if left else None


def _entries(listing: Manifest) -> list[dict[str, Any]]:
    if not listing.is_index:
        raise Malformed(f"the list of referrers {listing.digest} is not an index")
    return list(listing.data.get("manifests") or ())


def _typed(listing: Manifest) -> dict[str, Any]:
    return {**listing.data, "mediaType": listing.media_type}
