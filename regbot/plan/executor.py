"""The one door to writes: every action passes through an Executor.

Live, its applier holds the real stores. In a dry run it holds overlays, which
nothing leads out of, so a dry run can't leak; and later reads see its effect.
"""

from __future__ import annotations

import threading

from regbot.errors import RegbotError
from regbot.events import Emit, Level, Message
from regbot.oci.reference import Reference
from regbot.plan.action import Action, Outcome, Status
from regbot.plan.apply import Applier


class Ledger:
    """What became of every action, in order; shared by the scripts of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome."""
        with self._lock:
            self._outcomes.append(outcome)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """All outcomes so far."""
        with self._lock:
            return tuple(self._outcomes)


class Executor:
    """Applies one script's actions, keeps what became of them, and says so."""

    def __init__(
        self, script: str, applier: Applier, ledger: Ledger, emit: Emit, *, dry_run: bool
    ) -> None:
        self._script = script
        self._applier = applier
        self._ledger = ledger
        self._emit = emit
        self._dry_run = dry_run

    def execute(self, action: Action) -> Outcome:
        """Apply an action. What fails is recorded as failed and raised."""
        try:
            applied = self._applier.apply(action)
        except RegbotError as error:
            self._record(Outcome(self._script, action, "failed", action.digest, str(error)))
            raise
        done: Status = "planned" if self._dry_run else "done"
        status: Status = "skipped" if applied.skipped else done
        return self._record(Outcome(self._script, action, status, applied.digest, applied.detail))

    def removal(
        self, reference: Reference, *, children: bool, referrers: bool, reason: str
    ) -> list[Action]:
        """The actions that delete a tag, its manifest and what only that one needed.

        Nothing is deleted yet. What is kept is read where the actions will go, never
        from a mirror. Raises what ``image.removal.plan_removal`` raises.
        """
        return self._applier.removal(
            reference, children=children, referrers=referrers, reason=reason
        )

    def _record(self, outcome: Outcome) -> Outcome:
        self._ledger.add(outcome)
        self._emit(_message(outcome, dry_run=self._dry_run))
        return outcome


_LEVELS: dict[Status, Level] = {"failed": "error", "skipped": "warn"}


def _message(outcome: Outcome, *, dry_run: bool) -> Message:
    action = outcome.action
    fields: dict[str, str | bool] = {"script": outcome.script, "image": str(action.reference)}
    more = {"digest": outcome.digest, "reason": action.reason, "detail": outcome.detail}
    fields |= {name: str(value) for name, value in more.items() if value}
    fields |= {"dry-run": True} if dry_run else {}
    level = _LEVELS.get(outcome.status, "info")
    text = action.verb if level == "info" else f"{action.verb}: {outcome.status}"
    return Message(level, text, fields)
