"""A tag that stays, and why."""

from __future__ import annotations

from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class Kept:
    """A tag that stays, or a manifest by its digest, and why.

    ``digest`` is what it is on, where that was read. ``asked``: the script asked to delete
    it, and it stays all the same.
    """

    script: str
    reference: Reference
    reason: str
    digest: Digest | None = None
    asked: bool = False
