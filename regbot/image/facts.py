"""What can be told of an image from its manifests and configs: size, date, labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from regbot.errors import NotFound
from regbot.image.graph import DEEPEST, walk
from regbot.image.parts import blobs_of, children_of, is_attestation
from regbot.oci.manifest import (
    DEFAULT_BLOB_LIMIT,
    DOCKER_CONFIG,
    OCI_CONFIG,
    Manifest,
)
from regbot.oci.platform import Platform
from regbot.oci.tag import Name
from regbot.stopping import Stop
from regbot.store.protocol import ReadStore

CREATED = "org.opencontainers.image.created"
FIRST_DATE = datetime(2013, 3, 20, tzinfo=UTC)
"""Docker's first release: an earlier date is a placeholder of reproducible builds."""

_DATE = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def image_size(store: ReadStore, name: Name, *, workers: int = 1, stop: Stop | None = None) -> int:
    """Bytes of the distinct configs and layers of an image, over all its platforms.

    Layers that lie elsewhere count with the size said; platforms that are not in
    the repository don't count. Raises what the store raises.
    """
    sizes = {
        blob.digest: blob.size
        for _, manifest in walk(store, name, sparse=True, workers=workers, stop=stop)
        for blob in blobs_of(manifest)
    }
    return sum(sizes.values())


def created(
    store: ReadStore,
    name: Name,
    platform: Platform | None = None,
    blob_limit: int = DEFAULT_BLOB_LIMIT,
) -> datetime | None:
    """When an image was made, in UTC; None when that is not known.

    The config's ``created``, else the annotation or label of that meaning. For an
    index its annotation; else, or when a platform is asked for, the date of the
    child that suits it. Without a child for the local platform it is the newest
    date of all, if all are known. Raises what the store raises, and NotFound for a
    platform that is asked for and not there.
    """
    return created_of(store, store.manifest(name), platform, blob_limit)


def created_of(
    store: ReadStore,
    manifest: Manifest,
    platform: Platform | None = None,
    blob_limit: int = DEFAULT_BLOB_LIMIT,
) -> datetime | None:
    """The same of a manifest that was read already."""
    return _created(store, manifest, platform, blob_limit, DEEPEST)


def newest_date(
    store: ReadStore, manifest: Manifest, blob_limit: int = DEFAULT_BLOB_LIMIT
) -> datetime | None:
    """The date of an image; of an index the newest that is known of its images.

    Unlike ``created`` it doesn't depend on the machine that asks. An index that has no such
    date, or lacks one of its images, has that of its annotation. Raises what the store
    raises, and NotFound where an image is not there and no annotation tells.
    """
    return _newest(store, manifest, blob_limit, DEEPEST)


def labels_of(
    store: ReadStore, manifest: Manifest, blob_limit: int = DEFAULT_BLOB_LIMIT
) -> dict[str, str]:
    """The labels of a single image; those of an index are its images'.

    Raises what the store raises.
    """
    return _labels(_config_of(store, manifest, blob_limit))


def parse_date(text: object) -> datetime | None:
    """An RFC 3339 date in UTC; None for anything else and for what is no real date."""
    match = _DATE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        return None
    day, clock, fraction, zone = match.groups(default="")
    offset = "+00:00" if zone in "Zz" else zone
    try:
        date = datetime.fromisoformat(f"{day}T{clock}{fraction[:7]}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return date if date >= FIRST_DATE else None


def _created(
    store: ReadStore, manifest: Manifest, platform: Platform | None, limit: int, levels: int
) -> datetime | None:
    annotated = parse_date(manifest.annotations.get(CREATED))
    if not manifest.is_index:
        in_config, labelled = _dates_of_config(store, manifest, limit)
        return next((date for date in (in_config, annotated, labelled) if date), None)
    if annotated and platform is None:
        return annotated
    if not levels:
        return None
    try:
        children = [manifest.child_for(platform)]
    except NotFound:
        if platform is not None:
            raise
        children = [
            child
            for child in manifest.manifests
            if child.platform and child.platform.architecture not in ("", "unknown")
        ]
    dates = [
        _created(store, store.manifest(child.digest), platform, limit, levels - 1)
        for child in children
    ]
    known = [date for date in dates if date]
    return max(known) if known and len(known) == len(dates) else annotated


def _newest(store: ReadStore, manifest: Manifest, limit: int, levels: int) -> datetime | None:
    if not manifest.is_index:
        return _created(store, manifest, None, limit, levels)
    annotated = parse_date(manifest.annotations.get(CREATED))
    images = [child for child in children_of(manifest) if not is_attestation(child)]
    try:
        dates = [
            _newest(store, store.manifest(child.digest), limit, levels - 1)
            for child in (images if levels else ())
        ]
    except NotFound:
        if annotated is None:
            raise
        return annotated
    return max(filter(None, dates), default=annotated)


def _dates_of_config(
    store: ReadStore, manifest: Manifest, limit: int
) -> tuple[datetime | None, datetime | None]:
    """``created`` and the label of an image's config; an artifact's tells nothing."""
    config = _config_of(store, manifest, limit)
    return parse_date(config.get("created")), parse_date(_labels(config).get(CREATED))


def _config_of(store: ReadStore, manifest: Manifest, limit: int) -> Mapping[str, Any]:
    """What the config of an image holds; nothing of an index or artifact."""
    descriptor = manifest.config
    if descriptor is None or descriptor.media_type not in (OCI_CONFIG, DOCKER_CONFIG):
        return {}
    return store.config(manifest, limit=limit).data


def _labels(config: Mapping[str, Any]) -> dict[str, str]:
    inner = config.get("config")
    labels = inner.get("Labels") if isinstance(inner, dict) else None
    if not isinstance(labels, dict):
        return {}
    return {name: value for name, value in labels.items() if isinstance(value, str)}
