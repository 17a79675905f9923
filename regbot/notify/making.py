"""Makes the notification of a run that ended, or of a plan."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from regbot.config.values import Config
from regbot.journal.records import PlanRecord, RunStatus
from regbot.notify.notification import MOST_CHANGES, Change, Notification, Waiting, What
from regbot.notify.settings import Occasion
from regbot.plan.action import DeleteManifest, DeleteTag
from regbot.plan.outcome import Outcome
from regbot.report.shown import visible
from regbot.report.summary import summary
from regbot.run.commands import approve_command, undo_command
from regbot.values import dataclass

_LONGEST = 1000
"""Characters of one text that comes from a script or a registry."""
_CALLS = re.compile(r"@(?=(?:everyone|here|channel|all)\b)|<(?=[!@#])", re.IGNORECASE)
"""What makes a chat call all its people, or one of them."""
_LISTED = ("failed", "stopped", "done", "planned")
"""What became of the actions that are listed, the most urgent first."""


@dataclass(frozen=True, slots=True)
class Ways:
    """Where a reader goes on: to a command, or to a page at ``url`` if there are pages."""

    config: Config
    config_path: str
    url: str = ""

    def page(self, kind: Literal["runs", "plans"], name: str) -> str:
        """The page of a run or plan, or empty."""
        return f"{self.url}/{kind}/{name}" if self.url and name else ""

    def undo(self, run: str, outcomes: Sequence[Outcome]) -> str:
        """The command that undoes a run, if it deleted something."""
        deleted = any(
            outcome.status == "done"
            and not outcome.was_gone
            and isinstance(outcome.action, DeleteTag | DeleteManifest)
            for outcome in outcomes
        )
        return undo_command(self.config, self.config_path, run) if run and deleted else ""

    def approve(self, plan: str) -> str:
        """The command that approves a plan."""
        return approve_command(self.config, self.config_path, plan)


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that ended, at a time in seconds since 1970.

    ``was_failing``: the script's run before it had failed. ``run`` is its id, empty if it
    is not on record. ``summary`` says what it did, if that is known already.
    """

    command: str
    scripts: tuple[str, ...]
    run: str
    status: RunStatus
    time: float
    error: str = ""
    seconds: float = 0.0
    outcomes: Sequence[Outcome] = ()
    was_failing: bool = False
    summary: str = ""


def of_start(script: str, command: str, run: str, time: float) -> Notification:
    """The notification of a run that begins."""
    return Notification(
        "start", time, scripts=(script,), script=harmless(script), command=command, run=run
    )


def of_run(ended: Ended, ways: Ways) -> Notification:
    """The notification of a run that ended."""
    outcomes, is_plan = ended.outcomes, ended.command == "plan"
    occasions, (changes, more) = _occasions(ended), _changes(outcomes)
    return Notification(
        what=_what(ended, occasions),
        time=ended.time,
        occasions=occasions,
        scripts=ended.scripts,
        script=harmless(", ".join(ended.scripts)),
        command=ended.command,
        run=ended.run,
        status=ended.status,
        error=harmless(ended.error),
        seconds=ended.seconds,
        counts=Counter(outcome.status for outcome in outcomes),
        summary=harmless(ended.summary)
        or summary(outcomes, (), seconds=ended.seconds, dry_run=is_plan),
        changes=changes,
        more=more,
        link=ways.page("runs", ended.run),
        undo=ways.undo(ended.run, outcomes),
    )


def of_plan(
    plan: PlanRecord,
    ways: Ways,
    time: float,
    *,
    what: Literal["approval", "lapsed"],
    planned: Sequence[Outcome] = (),
) -> Notification:
    """The notification of a plan that waits for approval, or has lapsed."""
    changes, more = _changes(planned)
    occasions: set[Occasion] = {"approval", "changes"} if what == "approval" else {"approval"}
    return Notification(
        what=what,
        time=time,
        occasions=frozenset(occasions),
        scripts=(plan.script,),
        script=harmless(plan.script),
        command="plan",
        summary=harmless(plan.summary),
        changes=changes,
        more=more,
        link=ways.page("plans", plan.id),
        plan=Waiting(plan.id, plan.lapses, ways.approve(plan.id)),
    )


def harmless(text: str) -> str:
    """A text from outside as one line without a trick: nothing hidden, nobody called."""
    shown = _CALLS.sub(r"\g<0> ", visible(text))
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 3] + "..."


def _changes(outcomes: Sequence[Outcome]) -> tuple[tuple[Change, ...], int]:
    """The actions that are listed, and how many more there are."""
    listed = [each for each in outcomes if each.status in _LISTED and not each.was_gone]
    listed.sort(key=lambda outcome: _LISTED.index(outcome.status))
    return tuple(map(_change, listed[:MOST_CHANGES])), len(listed[MOST_CHANGES:])


def _change(outcome: Outcome) -> Change:
    action = outcome.action
    return Change(
        action.verb,
        harmless(str(action.reference)),
        outcome.status,
        harmless(action.reason),
        harmless(outcome.detail),
    )


def _occasions(ended: Ended) -> frozenset[Occasion]:
    occasions = set[Occasion]()
    if ended.status == "failed":
        occasions.add("failure")
    elif ended.status == "done" and ended.was_failing:
        occasions.add("recovery")
    if any(outcome.status == "done" and not outcome.was_gone for outcome in ended.outcomes):
        occasions.add("changes")
    return frozenset(occasions)


def _what(ended: Ended, occasions: frozenset[Occasion]) -> What:
    """The most important thing to say of a run."""
    if "failure" in occasions:
        return "failure"
    if ended.status == "stopped":
        return "stopped"
    if "recovery" in occasions:
        return "recovery"
    return "changes" if "changes" in occasions else "success"
