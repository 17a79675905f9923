"""A report as plain values: what every form of it is made from.

Times are seconds since 1970, durations and ages seconds, sizes bytes. None means
that it could not be known; ``unknown`` of a repository says why.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal, Protocol

from regbot.events import Ending
from regbot.plan.outcome import Status

Kind = Literal["once", "plan", "apply", "run"]

STATUSES: tuple[Status, ...] = ("failed", "stopped", "skipped", "planned", "done", "unchanged")
"""What needs attention comes first."""
_ATTENTION = 3
"""How many of them need attention."""


class Ran(Protocol):
    """What became of one run of a script."""

    @property
    def script(self) -> str:
        """The script's name."""
        ...

    @property
    def status(self) -> Ending:
        """How it ended."""
        ...

    @property
    def error(self) -> str:
        """Why it failed or stopped."""
        ...

    @property
    def seconds(self) -> float:
        """How long it took."""
        ...


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run of a script."""

    script: str
    status: Ending
    error: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RepositoryLine:
    """What one script did to one repository.

    ``deleted`` are tags, and manifests deleted by digest that had none; ``skipped``
    and ``failed`` are actions of any kind, ``other`` those that put or copy.
    ``bytes_only`` are the bytes that only what was deleted holds: what garbage
    collection could free. What several lines share counts on the first of them.
    """

    script: str
    repository: str
    tags_before: int | None = None
    deleted: int = 0
    kept: int | None = None
    skipped: int = 0
    failed: int = 0
    other: int = 0
    bytes_only: int | None = 0
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One action. ``size`` is that of the whole image, shared layers too."""

    script: str
    repository: str
    action: str
    reference: str
    status: Status
    digest: str = ""
    reason: str = ""
    detail: str = ""
    created: float | None = None
    age_seconds: float | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the scripts of one call, and of all they wanted to change."""

    kind: Kind
    dry_run: bool
    started: float
    finished: float
    version: str
    runs: tuple[RunLine, ...] = ()
    repositories: tuple[RepositoryLine, ...] = ()
    rows: tuple[Row, ...] = ()

    @property
    def counts(self) -> dict[Status, int]:
        """How many actions have each status; those without any are left out."""
        found = Counter(row.status for row in self.rows)
        return {status: found[status] for status in STATUSES if found[status]}

    @property
    def troubled_runs(self) -> tuple[RunLine, ...]:
        """The scripts that did not come to their end."""
        return tuple(run for run in self.runs if run.status != "done")

    @property
    def rows_by_gravity(self) -> list[Row]:
        """What needs attention first, then the rest in its order."""
        return sorted(self.rows, key=lambda row: min(STATUSES.index(row.status), _ATTENTION))

    @property
    def bytes_known(self) -> int:
        """The sum of what is known of the bytes that could be freed."""
        return sum(line.bytes_only or 0 for line in self.repositories)

    @property
    def lines_unknown(self) -> int:
        """How many repository lines have bytes that are not known."""
        return sum(line.bytes_only is None for line in self.repositories)

    @property
    def unknowns(self) -> dict[str, list[str]]:
        """What could not be known, each once, with the repositories it is about."""
        found: dict[str, list[str]] = {}
        for line in self.repositories:
            for text in line.unknown:
                names = found.setdefault(text, [])
                if line.repository not in names:
                    names.append(line.repository)
        return found
