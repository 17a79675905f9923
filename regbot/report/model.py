"""A report as plain values, from which every format is made.

Times are in seconds since 1970, durations and ages in seconds, sizes in bytes. None
means unknown; ``unknown`` of a repository says why.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

from regbot.events import RunResult
from regbot.plan.outcome import Status
from regbot.values import dataclass

Kind = Literal["once", "server", "plan", "apply", "run", "library"]

STATUSES: tuple[Status, ...] = ("failed", "stopped", "skipped", "planned", "done", "unchanged")
"""In the order of urgency."""
_URGENT = 3
"""How many of them need attention."""

RowStatus = Status | Literal["kept", "begun", "restored"]
"""Rows of tables may also be about what a plan keeps, what a run began, and an undo."""


@dataclass(frozen=True, slots=True)
class RepositoryLine:
    """What one script did to one repository.

    ``deleted`` counts tags, and manifests deleted by digest that had no tag. ``skipped``,
    ``stopped`` and ``failed`` count actions of any kind, ``other`` puts and copies that
    were made, ``unchanged`` those that found everything there. ``bytes_only`` are the
    bytes that only deleted images used, which garbage collection could free. Bytes that
    several lines share are counted on the first of them.
    """

    script: str
    repository: str
    tags_before: int | None = None
    deleted: int = 0
    kept: int | None = None
    skipped: int = 0
    stopped: int = 0
    failed: int = 0
    other: int = 0
    unchanged: int = 0
    bytes_only: int | None = 0
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One action, or a tag that stays.

    ``source`` is what a copy is made from, ``carried`` what it brings beside the image.
    ``part`` is what of an image a delete takes along, in the same ``removal``; empty for
    the image itself. ``size`` is that of the whole image, including shared layers.
    """

    script: str
    repository: str
    action: str
    reference: str
    status: RowStatus
    digest: str = ""
    reason: str = ""
    detail: str = ""
    created: float | None = None
    age_seconds: float | None = None
    size: int | None = None
    source: str = ""
    carried: tuple[str, ...] = ()
    removal: str = ""
    part: str = ""

    @property
    def name(self) -> str:
        """The tag, else the digest, of the reference; empty for a repository."""
        return self.reference.removeprefix(self.repository).lstrip(":@")

    @property
    def why(self) -> str:
        """What there is to say of it, in one text."""
        source = f"from {self.source}" if self.source else ""
        return "; ".join(part for part in (source, self.reason, self.detail) if part)


@dataclass(frozen=True, slots=True)
class Report:
    """The results of the scripts of one command, and of all their actions."""

    kind: Kind
    dry_run: bool
    started: float
    finished: float
    version: str
    runs: tuple[RunResult, ...] = ()
    repositories: tuple[RepositoryLine, ...] = ()
    rows: tuple[Row, ...] = ()

    @property
    def counts(self) -> dict[Status, int]:
        """The number of actions with each status, without zeros."""
        counter = Counter(row.status for row in self.rows)
        return {status: counter[status] for status in STATUSES if counter[status]}

    @property
    def troubled_runs(self) -> tuple[RunResult, ...]:
        """The scripts that failed or were stopped."""
        return tuple(run for run in self.runs if run.status != "done")

    @property
    def rows_by_urgency(self) -> list[Row]:
        """The actions that need attention first, then the others in their order."""
        return sorted(self.rows, key=lambda row: min(STATUSES.index(row.status), _URGENT))

    @property
    def bytes_known(self) -> int:
        """The known bytes that could be freed."""
        return sum(line.bytes_only or 0 for line in self.repositories)

    @property
    def lines_unknown(self) -> int:
        """The number of repository lines whose bytes are unknown."""
        return sum(line.bytes_only is None for line in self.repositories)

    @property
    def unknowns(self) -> dict[str, list[str]]:
        """The reasons why something is unknown, each once with its repositories."""
        reasons: dict[str, list[str]] = {}
        for line in self.repositories:
            for text in line.unknown:
                names = reasons.setdefault(text, [])
                if line.repository not in names:
                    names.append(line.repository)
        return reasons
