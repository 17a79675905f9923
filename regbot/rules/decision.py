"""What becomes of each tag of a repository, and why."""

from __future__ import annotations

from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a tag is kept, and why.

    ``digest`` is what it was on, where that was read. ``rule`` is the number of the rule
    that keeps it, counted from 1; None where it is no rule that decided. ``owners``
    are the digests that a signature or the like goes with.
    """

    tag: Tag
    keep: bool
    reason: str
    digest: Digest | None = None
    rule: int | None = None
    owners: frozenset[Digest] = frozenset()


@dataclass(frozen=True, slots=True)
class Decisions:
    """The decisions on all tags of a repository, in the order of its listing."""

    repository: Reference
    all: tuple[Decision, ...]

    @property
    def deleted(self) -> tuple[Decision, ...]:
        """Those on the tags that go."""
        return tuple(decision for decision in self.all if not decision.keep)

    def __repr__(self) -> str:
        gone = len(self.deleted)
        return f"<Decisions {self.repository}: {len(self.all) - gone} kept, {gone} deleted>"
