"""What became of actions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Literal

from regbot.errors import RegbotError
from regbot.events import Emit, Event
from regbot.image.copy import Carried
from regbot.oci.digest import Digest
from regbot.oci.tag import Tag
from regbot.plan.action import Action, DeleteManifest
from regbot.plan.evidence import Evidence
from regbot.plan.kept import Kept
from regbot.stopping import ended_by
from regbot.values import dataclass

Status = Literal["done", "planned", "unchanged", "skipped", "failed", "stopped"]
"""``unchanged``: everything was as wanted already. ``stopped``: cut off by a signal
or a timeout, so it may have happened or not."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What an action did. ``digest`` is what it was about, ``detail`` why nothing was done.

    ``carried`` is what a copy brought beside the image. ``was_gone``: a delete found nothing
    to take.
    """

    digest: Digest | None = None
    detail: str = ""
    status: Literal["done", "unchanged", "skipped"] = "done"
    carried: tuple[Carried, ...] = ()
    was_gone: bool = False


ALREADY_GONE = "already gone"
"""The detail of a delete that found nothing to take, for people."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an action.

    ``digest`` is what it was about, when that is known; ``detail`` says why it was
    skipped, failed or stopped; ``evidence`` is what a delete took away, where it was
    gathered; ``carried`` is what a copy brought beside the image. ``was_gone``: a delete
    found nothing to take, which counts as done.
    """

    script: str
    action: Action
    status: Status
    digest: Digest | None = None
    detail: str = ""
    evidence: Evidence | None = None
    carried: tuple[Carried, ...] = ()
    was_gone: bool = False

    @property
    def taken_tags(self) -> tuple[Tag, ...]:
        """The known tags that a delete of a manifest by digest takes with it."""
        if not isinstance(self.action, DeleteManifest):
            return ()
        tags = self.evidence.tags if self.evidence else ()
        return tags or self.action.allowed_tags or ()

    def __repr__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"<Outcome {self.status}: {self.action.verb} {self.action.reference}{detail}>"


class Outcomes:
    """What became of every action, in order; shared by the scripts of a process.

    What rules keep is noted beside it. Outcomes kept here are kept in ``outer`` too.
    """

    def __init__(self, outer: Outcomes | None = None) -> None:
        self._outer = outer
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []
        self._kept: list[Kept] = []

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome."""
        with self._lock:
            self._outcomes.append(outcome)
        if self._outer:
            self._outer.add(outcome)

    def keep(self, kept: Iterable[Kept]) -> None:
        """Note what rules keep."""
        with self._lock:
            self._kept.extend(kept)

    @property
    def kept(self) -> tuple[Kept, ...]:
        """What rules keep, as far as it was noted."""
        with self._lock:
            return tuple(self._kept)

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


class Record:
    """Keeps what became of one script's actions, and tells it.

    ``done`` is told of each action that was done, or in a dry run planned.
    """

    def __init__(
        self,
        script: str,
        outcomes: Outcomes,
        emit: Emit,
        done: Callable[[Action], None],
        *,
        dry_run: bool,
    ) -> None:
        self._script = script
        self._outcomes = outcomes
        self._emit = emit
        self._done = done
        self.dry_run = dry_run

    def begin(self, action: Action) -> None:
        """Tell that an action begins."""
        self._emit(ActionStarted(self._script, action))

    def end(self, action: Action, applied: Applied, evidence: Evidence | None = None) -> Outcome:
        """An action did what was asked, or there was nothing to do."""
        status: Status = applied.status
        if status == "done":
            self._done(action)
            status = "planned" if self.dry_run else "done"
        return self._keep(
            Outcome(
                self._script,
                action,
                status,
                applied.digest,
                applied.detail,
                evidence,
                applied.carried,
                applied.was_gone,
            )
        )

    def failure(
        self, action: Action, error: RegbotError, evidence: Evidence | None = None
    ) -> Outcome:
        """An action failed or was stopped."""
        ended = ended_by(error)
        return self._keep(Outcome(self._script, action, ended, action.digest, str(error), evidence))

    def _keep(self, outcome: Outcome) -> Outcome:
        self._outcomes.add(outcome)
        self._emit(ActionDone(outcome, self.dry_run))
        return outcome


@dataclass(frozen=True, slots=True)
class ActionStarted(Event):
    """A script's action begins; it may wait for its turn, or turn out to be done already."""

    script: str
    action: Action


@dataclass(frozen=True, slots=True)
class ActionDone(Event):
    """An action came to its end, whatever became of it.

    ``is_trial``: it was planned for a guard to judge. If the guard lets it pass, it is
    carried out, and told again.
    """

    outcome: Outcome
    dry_run: bool
    is_trial: bool = False
