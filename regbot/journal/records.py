"""The records of the journal, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import date
from typing import Literal

from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.values import dataclass

EntryStatus = Literal["begun", "done", "skipped", "failed", "stopped"]
"""With ``begun`` and ``stopped``, the action may or may not have been carried out."""

RunStatus = Literal["running", "done", "failed", "stopped", "interrupted"]
"""``interrupted`` means that the process is gone without having set another status."""


PlanState = Literal["", "waiting", "approved", "applying", "applied", "lapsed", "failed"]
"""Where a plan that needs approval is; empty for one that needs none.

It waits, is approved, and is applied, or lapses before that. ``failed``: some of its actions
failed, or it was stopped before its end.
"""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run. Times are in seconds since 1970; ``counts`` are its actions by status.

    ``kind`` is the command, such as ``once``, ``apply`` or ``undo``, with what was typed after
    it for commands such as ``tag rm``. ``config`` is the path of the config, and
    ``fingerprint`` tells its versions apart. ``keep`` is for how many seconds it is kept, None
    until its config says so.
    """

    id: str
    kind: str
    config: str
    fingerprint: str
    started: float
    ended: float | None = None
    status: RunStatus = "running"
    counts: Mapping[str, int] = field(default_factory=dict)
    keep: float | None = None


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """A run of one script, also if it changed nothing. Times are in seconds since 1970.

    ``kind`` is ``server`` for a run by the schedule, ``asked`` for one that somebody asked
    for, ``plan`` if it made a plan, or ``apply`` if it applied one, of all scripts that
    ``script`` names. ``config`` is the path of the config, and ``schedule`` the rule by
    which the run was ``due``, None if it was by none. ``counts`` are its actions by
    status. ``guarded``: it failed because its guard stopped it. ``plan`` is the id of the
    plan that was made or applied, ``freeable`` the known bytes that garbage collection
    could free, None if nobody counted. ``summary`` says what was done. ``keep`` is as in
    RunRecord.
    """

    id: str
    script: str
    kind: str
    config: str
    started: float
    schedule: str = ""
    due: float | None = None
    ended: float | None = None
    status: RunStatus = "running"
    error: str = ""
    guarded: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    plan: str = ""
    freeable: int | None = None
    summary: str = ""
    keep: float | None = None

    @property
    def scripts(self) -> frozenset[str]:
        """The names of the scripts that it is of."""
        return frozenset((self.script, *self.script.split(", ")))


@dataclass(frozen=True, slots=True)
class RunPage:
    """What a run of a script leaves to be looked at.

    ``report`` is a page in HTML, empty if there is none; each line of the ``log`` has the
    fields ``time``, ``level`` and ``msg``, and others.
    """

    report: str = ""
    log: tuple[Mapping[str, str | int | float | bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Remainder:
    """What a run left of a ``repository`` that it deleted from. None means unknown.

    ``kept`` are the tags that stay, ``freeable`` the bytes that garbage collection could free.
    """

    repository: str
    kept: int | None
    freeable: int | None


@dataclass(frozen=True, slots=True)
class RepositoryDay:
    """What runs deleted from a repository on one day, in UTC. None means unknown.

    ``deleted`` counts tags, and manifests without a tag. ``kept`` are the tags that stayed
    at the end, ``freeable`` the bytes that garbage collection could free. ``run`` is the last
    of the runs.
    """

    repository: str
    day: date
    deleted: int = 0
    kept: int | None = None
    freeable: int | None = None
    run: str = ""


@dataclass(frozen=True, slots=True)
class SavedManifest:
    """A manifest that was saved before it was deleted."""

    digest: Digest
    media_type: str


@dataclass(frozen=True, slots=True)
class ActionRecord:
    """An action of a run. ``at`` is when it began, in seconds since 1970.

    ``tags`` are the tags it deleted, ``manifests`` the manifests to put back, in this
    order, and ``missing`` those that no longer existed when it began. ``was_gone``: a delete
    found nothing to take.
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
    was_gone: bool = False


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """A plan that is kept. Times are in seconds since 1970.

    ``config`` is the path of the config it was made with, ``summary`` says what it would do.
    ``script`` made it, if a server did. It can be approved, and applied, until it ``lapses``.
    ``keep`` is as in RunRecord.
    """

    id: str
    made: float
    config: str
    summary: str
    script: str = ""
    state: PlanState = ""
    lapses: float | None = None
    keep: float | None = None

    def is_too_old(self, now: float) -> bool:
        """Whether it is not to be kept any longer: its time counts from when it lapses."""
        old_from = self.made if self.lapses is None else self.lapses
        return self.keep is not None and old_from < now - self.keep

    def is_over(self, now: float) -> bool:
        """Whether its time to be approved, and applied, is over."""
        return self.lapses is not None and self.lapses <= now

    def state_at(self, now: float) -> PlanState:
        """Its state at a time in seconds since 1970: what waits for too long has lapsed."""
        return "lapsed" if self.state == "waiting" and self.is_over(now) else self.state


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many runs and saved manifests were removed from the journal."""

    runs: int = 0
    manifests: int = 0
