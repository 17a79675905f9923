"""What the journal tells of past runs, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag

EntryStatus = Literal["begun", "done", "skipped", "failed", "stopped"]
"""``begun`` and ``stopped``: it may have happened or not."""

RunStatus = Literal["running", "done", "failed", "stopped", "interrupted"]
"""``interrupted``: its process is gone, and it could not say how it ended."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run. Times are seconds since 1970; ``counts`` are its actions by status.

    ``kind`` is the command, such as ``once``, ``apply`` or ``undo``; ``config`` the
    file's name and ``fingerprint`` what tells its versions apart.
    """

    id: str
    kind: str
    config: str
    fingerprint: str
    started: float
    ended: float | None = None
    status: RunStatus = "running"
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SavedManifest:
    """A manifest that was kept before it went."""

    digest: Digest
    media_type: str


@dataclass(frozen=True, slots=True)
class ActionRecord:
    """One action of a run; ``at`` is when it began, in seconds since 1970.

    ``tags`` are those it took away, ``manifests`` what to put back, in that order,
    and ``missing`` what was not there any more when it began.
    """

    id: int
    run: str
    at: float
    script: str
    verb: str
    reference: Reference
    digest: Digest | None
    reason: str
    status: EntryStatus
    detail: str
    tags: tuple[Tag, ...] = ()
    manifests: tuple[SavedManifest, ...] = ()
    missing: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was taken out of the journal: how many runs, and kept manifests."""

    runs: int = 0
    manifests: int = 0
