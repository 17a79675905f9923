"""Makes the notification of a run that ended, or of a plan."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from regbot.config.values import Config
from regbot.journal.records import PlanRecord, ScriptRun
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


def of_start(run: ScriptRun) -> Notification:
    """The notification of a run that begins."""
    return Notification(
        "start",
        run.started,
        scripts=(run.script,),
        script=harmless(run.script),
        command=run.kind,
        run=run.id,
    )


def of_run(
    run: ScriptRun,
    outcomes: Sequence[Outcome],
    ways: Ways,
    time: float,
    *,
    was_failing: bool = False,
) -> Notification:
    """The notification of a run that ended; ``was_failing``: the script's run before had failed.

    ``time`` is that of the notification, in seconds since 1970.
    """
    scripts = _scripts_of(outcomes, run.script) if run.kind == "apply" else (run.script,)
    seconds = max(0.0, (run.ended or run.started) - run.started)
    occasions = _occasions(run, outcomes, was_failing=was_failing)
    changes, more = _changes(outcomes)
    return Notification(
        what=_what(run, occasions),
        time=time,
        occasions=occasions,
        scripts=scripts,
        script=harmless(", ".join(scripts)),
        command=run.kind,
        run=run.id,
        status=run.status,
        error=harmless(run.error),
        seconds=seconds,
        counts=Counter(outcome.status for outcome in outcomes),
        summary=harmless(run.summary)
        or summary(outcomes, (), seconds=seconds, dry_run=run.kind == "plan"),
        changes=changes,
        more=more,
        link=ways.page("runs", run.id),
        undo=ways.undo(run.id, outcomes),
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


def _scripts_of(outcomes: Sequence[Outcome], names: str) -> tuple[str, ...]:
    """The scripts of a plan: by its actions, or without any by how the run is called."""
    scripts = dict.fromkeys(outcome.script for outcome in outcomes)
    return tuple(scripts) or tuple(names.split(", "))


def _occasions(
    run: ScriptRun, outcomes: Sequence[Outcome], *, was_failing: bool
) -> frozenset[Occasion]:
    occasions = set[Occasion]()
    if run.status == "failed":
        occasions.add("failure")
    elif run.status == "done" and was_failing:
        occasions.add("recovery")
    if any(outcome.status == "done" and not outcome.was_gone for outcome in outcomes):
        occasions.add("changes")
    return frozenset(occasions)


def _what(run: ScriptRun, occasions: frozenset[Occasion]) -> What:
    """The most important thing to say of a run."""
    if "failure" in occasions:
        return "failure"
    if run.status == "stopped":
        return "stopped"
    if "recovery" in occasions:
        return "recovery"
    return "changes" if "changes" in occasions else "success"
