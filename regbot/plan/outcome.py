"""What became of an action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from regbot.events import Event
from regbot.oci.digest import Digest
from regbot.plan.action import Action
from regbot.plan.evidence import Evidence

Status = Literal["done", "planned", "unchanged", "skipped", "failed", "stopped"]
"""``unchanged``: everything was as wanted already. ``stopped``: cut off by a signal
or a timeout, so it may have happened or not."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What an action did. ``digest`` is what it was about, ``detail`` why nothing was done."""

    digest: Digest | None = None
    detail: str = ""
    status: Literal["done", "unchanged", "skipped"] = "done"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an action.

    ``digest`` is what it was about, when that is known; ``detail`` says why it was
    skipped, failed or stopped; ``evidence`` is what a delete took away, where it was
    gathered.
    """

    script: str
    action: Action
    status: Status
    digest: Digest | None = None
    detail: str = ""
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class ActionDone(Event):
    """An action came to its end, whatever became of it."""

    outcome: Outcome
    dry_run: bool
