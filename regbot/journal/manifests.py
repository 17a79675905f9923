"""The saved manifests of the history, wherever they are kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from regbot.oci.digest import Digest
from regbot.oci.manifest import Manifest


class Manifests(Protocol):
    """The saved manifests, each with its exact bytes. Threads and processes may share them.

    Every method raises StorageError where they can't be used.
    """

    def add(self, manifests: Iterable[Manifest]) -> None:
        """Save manifests. They are durable when this returns, or when its transaction ends."""

    def has(self, manifest: Manifest) -> bool:
        """Whether a manifest is saved."""

    def read(self, digest: Digest, media_type: str) -> Manifest:
        """A saved manifest, verified. Raises StorageError if it is gone or damaged."""

    def digests(self) -> list[Digest]:
        """The digests of the saved manifests."""

    def maybe_unused(self) -> list[Digest]:
        """The digests of those that no entry may need: all others are needed."""

    def remove(self, digest: Digest) -> None:
        """Remove a manifest."""

    def tidy(self, *, before: float) -> None:
        """Remove what was left unfinished before a time, in seconds since 1970."""
