"""What became of an action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from regbot.oci.digest import Digest
from regbot.plan.action import Action
from regbot.plan.evidence import Evidence

Status = Literal["done", "planned", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an action.

    ``digest`` is what it was about, when that is known; ``detail`` says why it was
    skipped or failed; ``evidence`` is what a delete took away, where it was gathered.
    """

    script: str
    action: Action
    status: Status
    digest: Digest | None = None
    detail: str = ""
    evidence: Evidence | None = None
