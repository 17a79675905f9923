"""What became of actions."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Literal

from regbot.events import Event
from regbot.oci.digest import Digest
from regbot.plan.action import Action
from regbot.plan.evidence import Evidence
from regbot.values import dataclass

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


class Outcomes:
    """What became of every action, in order; shared by the scripts of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome."""
        with self._lock:
            self._outcomes.append(outcome)

    def withdraw(self, script: str, why: str) -> None:
        """Take back what a dry run of a script planned: it is skipped, and ``why`` tells."""
        with self._lock:
            self._outcomes = [
                replace(outcome, status="skipped", detail=why)
                if outcome.script == script and outcome.status == "planned"
                else outcome
                for outcome in self._outcomes
            ]

    @property
    def all(self) -> tuple[Outcome, ...]:
        """All outcomes so far."""
        with self._lock:
            return tuple(self._outcomes)

    def of(self, script: str) -> tuple[Outcome, ...]:
        """All outcomes of a script so far."""
        return tuple(outcome for outcome in self.all if outcome.script == script)


@dataclass(frozen=True, slots=True)
class ActionDone(Event):
    """An action came to its end, whatever became of it."""

    outcome: Outcome
    dry_run: bool
