"""A repository to delete one tag of, and what should be left then."""

from __future__ import annotations

from typing import Any

from regbot.oci.tag import Tag
from regbot.store.protocol import Store
from support.registry import TestRegistry

APP = "team/app"
BY_DIGEST = r"/manifests/sha256:"


def fill(registry: TestRegistry, **how: Any) -> dict[str, str]:
    """Tags ``old`` and ``same`` on one digest, ``kept`` on another; tags and digests."""
    digest = registry.put_image(APP, "old", **how)
    registry.tag(APP, "same", digest)
    registry.put_image(APP, "kept", labels={"n": "2"})
    return dict(registry.tags(APP))


def delete_tag(store: Store, tag: str) -> None:
    """Look at a tag, and delete it, as callers do."""
    store.delete_tag(Tag(tag), store.head(Tag(tag)).digest)


def without_old(tags: dict[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in tags.items() if name != "old"}
