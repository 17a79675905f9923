"""Places to copy from and to, and a look at what a place holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regbot.errors import NotFound
from regbot.image.copy import Copied, copy_image
from regbot.image.options import CopyOptions
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Name, Tag
from regbot.stopping import Stop
from regbot.store.ocidir import OciDirStore
from regbot.store.protocol import ReadStore, Store
from regbot.store.remote import RemoteStore
from support.clients import Client
from support.images import Image, make_image, make_index, make_layer
from support.registry import DISTRIBUTION_3, HARBOR, TestRegistry


@dataclass(frozen=True, slots=True)
class Side:
    """A registry in memory with a client of its own."""

    registry: TestRegistry
    client: Client = field(repr=False)

    def store(self, repository: str = "team/app") -> RemoteStore:
        return self.client.store(repository, mirrors=False)

    def writes(self) -> list[str]:
        """The requests that change something, as text."""
        return [
            f"{entry.method} {entry.path}"
            for entry in self.registry.requests
            if entry.method not in ("GET", "HEAD")
        ]


@contextmanager
def side(*quirks: Any, **switches: Any) -> Iterator[Side]:
    """A registry and its client until the end of the block."""
    with TestRegistry(*quirks, **switches) as registry, Client(registry.host) as client:
        yield Side(registry, client)


def layout(path: Path) -> OciDirStore:
    """The store of a layout folder."""
    return OciDirStore(Reference.parse(f"ocidir://{path}"))


KINDS = ("no referrers API", "referrers API", "folder")
"""Kinds of stores that differ in where they keep referrers."""


@contextmanager
def store_of(kind: str, folder: Path) -> Iterator[RemoteStore | OciDirStore]:
    """An empty store of one of KINDS until the end of the block."""
    if kind == "folder":
        yield layout(folder)
        return
    with side(HARBOR if kind == "referrers API" else DISTRIBUTION_3, auth="") as place:
        yield place.store()


def named(name: str | Digest) -> Name:
    """A tag from its text, or a digest."""
    return name if isinstance(name, Digest) else Tag(name)


def copy(
    source: ReadStore, name: str | Digest, target: Store, target_name: str | Digest, **options: Any
) -> Copied:
    """Copy with some of CopyOptions' fields."""
    return copy_image(
        source, named(name), target, named(target_name), CopyOptions(**options), stop=Stop()
    )


def two_platforms(**how: Any) -> Image:
    """An index of two images that share their lowest layer; ``how`` as make_image has it."""
    layers = {name: [make_layer("base"), make_layer(name)] for name in ("amd", "arm")}
    return make_index(
        {
            "linux/amd64": make_image(layers=layers["amd"], **how),
            "linux/arm64": make_image(platform="linux/arm64", layers=layers["arm"], **how),
        },
        docker=bool(how.get("docker")),
    )


def whole(store: ReadStore, name: str | Digest) -> dict[Digest, bytes]:
    """All that a name leads to, read and checked, by digest. Raises when any is missing."""
    manifest = store.manifest(named(name))
    found = {manifest.digest: manifest.raw}
    for child in manifest.manifests:
        found |= whole(store, child.digest)
    for blob in (*((manifest.config,) if manifest.config else ()), *manifest.layers):
        found[blob.digest] = b"".join(store.blob(blob.digest, blob.size))
    return found


def broken_tags(store: ReadStore) -> list[str]:
    """The tags that lead to something missing."""
    try:
        tags = store.tags()
    except NotFound:
        return []
    return [tag for tag in tags if not _is_whole(store, tag)]


def has(store: ReadStore, digest: Digest) -> bool:
    """Whether a manifest is there."""
    try:
        store.manifest(digest)
    except NotFound:
        return False
    return True


def _is_whole(store: ReadStore, tag: str) -> bool:
    try:
        whole(store, tag)
    except NotFound:
        return False
    return True
