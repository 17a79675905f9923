"""What an image held, read before it is deleted: afterwards nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a deleted manifest or tag led to.

    ``blobs`` are the bytes of each manifest, config and layer, its own manifest
    among them. ``created`` is in seconds since 1970. ``tags_before`` is how many
    tags the repository had, ``tags`` those that go with a manifest deleted by
    digest. ``problem`` says why ``blobs`` is not all there is. ``names`` are all names of
    its repository, the first the one to compare by.
    """

    blobs: Mapping[Digest, int] = field(default_factory=dict)
    created: float | None = None
    tags_before: int | None = None
    tags: tuple[Tag, ...] = ()
    problem: str = ""
    names: tuple[Reference, ...] = ()

    @property
    def size(self) -> int | None:
        """Bytes of the whole image, over all its platforms; None when not known."""
        return sum(self.blobs.values()) if self.blobs and not self.problem else None
