"""A retention policy as frozen values: which tags of a repository are kept.

Any rule that holds keeps a tag; a rule holds when all its conditions do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from regbot.oci.patterns import Pattern
from regbot.oci.tag import Tag
from regbot.units import format_age
from regbot.values import dataclass

By = Literal["created", "semver", "name"]
"""What images are ranked by: the date of the image, the version or the name of its tags."""
_RANKED_BY: Mapping[By, str] = {"created": "date", "semver": "version", "name": "name"}
Referrers = Literal["with-subject", "keep"]
Depth = Literal["name", "digest", "children", "date", "image"]
"""How much of a tag has to be read: nothing, its digest, what its index lists, its date, or all
of its images. Each of the others tells the digest too, and the last one everything."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest ``count`` images, of each group where there is ``per``.

    The groups in the expression make the group that a tag belongs to.
    """

    count: int
    by: By = "created"
    per: Pattern | None = None

    def __str__(self) -> str:
        per = f" per {self.per.text}" if self.per else ""
        return f"newest {self.count} by {_RANKED_BY[self.by]}{per}"

    def refusal(self, rank: int) -> str:
        """Why an image at this place, counted from 1, is not kept."""
        staying = "the newest stays" if self.count == 1 else f"the newest {self.count} stay"
        return f"number {rank} by {_RANKED_BY[self.by]}, only {staying}"

    def group_of(self, tag: Tag) -> tuple[str, ...] | None:
        """The group that a tag is ranked in; None where ``per`` doesn't fit it."""
        return () if self.per is None else self.per.groups(tag)


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions that keep a tag together; None and empty are no condition.

    ``newer_than`` and ``older_than`` are the image's age in seconds; ``labels`` are names
    and values that one image of an index has to have.
    """

    tags: tuple[Pattern, ...] = ()
    newest: Newest | None = None
    newer_than: float | None = None
    older_than: float | None = None
    labels: tuple[tuple[str, str], ...] = ()
    in_use: bool = False

    @property
    def depth(self) -> Depth:
        """How much of a tag has to be read to judge it."""
        if self.labels or self.in_use:
            return "image"
        if self.newer_than is not None or self.older_than is not None:
            return "date"
        if self.newest is None:
            return "name"
        return "date" if self.newest.by == "created" else "digest"

    def fits(self, tag: Tag) -> bool:
        """Whether a tag's name is one that the rule is about."""
        return not self.tags or any(pattern.fits(tag) for pattern in self.tags)

    def __str__(self) -> str:
        conditions = [str(self.newest)] if self.newest else []
        if self.newer_than is not None:
            conditions.append(f"newer than {format_age(self.newer_than)}")
        if self.older_than is not None:
            conditions.append(f"older than {format_age(self.older_than)}")
        conditions += [f"label {name}={value}" for name, value in self.labels]
        conditions += ["in use"] if self.in_use else []
        return ", ".join(conditions or [f"tags {', '.join(each.text for each in self.tags)}"])


@dataclass(frozen=True, slots=True)
class Policy:
    """What to keep of a repository.

    ``delete`` are the tags that may go, empty for all; other tags are neither judged nor
    counted. ``allow_empty``: nothing at all may be left. ``otherwise`` is why
    a tag is deleted.
    """

    keep: tuple[Rule, ...] = ()
    delete: tuple[Pattern, ...] = ()
    referrers: Referrers = "with-subject"
    allow_empty: bool = False
    otherwise: str = "no rule keeps it"

    def covers(self, tag: Tag) -> bool:
        """Whether a tag may go at all."""
        return not self.delete or any(pattern.fits(tag) for pattern in self.delete)
