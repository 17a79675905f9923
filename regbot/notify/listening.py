"""Hears what a server, or a command, tells of its runs, and has receivers notified."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

from regbot.events import Event, InRun, Kinds, RunEnded, RunResult, ScriptEnded, ScriptStarted
from regbot.journal.records import ScriptRun
from regbot.notify.failing import FailingScripts
from regbot.notify.making import Ended, Ways, of_plan, of_run, of_start
from regbot.notify.notification import Notification
from regbot.plan.outcome import ActionDone, Outcome
from regbot.run.service_events import (
    PlanLapsed,
    PlanWaits,
    ScriptRunEnded,
    ScriptRunStarted,
)
from regbot.stopping import Clock


class Actions:
    """What became of the actions of runs under way, by run and script. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: defaultdict[tuple[str, str], list[Outcome]] = defaultdict(list)

    def add(self, run: str, action: ActionDone) -> None:
        """Keep what became of an action, unless a guard is still to judge it."""
        if not action.is_trial:
            with self._lock:
                self._outcomes[run, action.outcome.script].append(action.outcome)

    def of_script(self, script: str) -> list[Outcome]:
        """Those of one script, so far."""
        with self._lock:
            return [
                outcome
                for (_, name), outcomes in self._outcomes.items()
                if name == script
                for outcome in outcomes
            ]

    def take(self, run: str, script: str = "") -> list[Outcome]:
        """Those of a run, and of one script in it if one is given; they are forgotten.

        A run that is not on record has no id for those who end it, so its script has to do.
        """
        with self._lock:
            keys = [
                (of, name)
                for of, name in self._outcomes
                if (not run or of == run) and (not script or name == script)
            ]
            return [outcome for key in keys for outcome in self._outcomes.pop(key)]


OF_SERVERS: Kinds = frozenset({ActionDone, ScriptRunStarted, ScriptRunEnded, PlanWaits, PlanLapsed})
OF_COMMANDS: Kinds = frozenset({ActionDone, ScriptStarted, ScriptEnded, RunEnded})
"""What is heard: of a server, its runs and plans as it tells them itself; else of ``once`` each
script, and of ``apply`` the whole."""


class RunListener:
    """Has receivers notified of the runs and plans that it hears of.

    ``ways`` are those of the config in force. ``wall`` gives seconds since 1970.
    """

    def __init__(
        self,
        tell: Callable[[Notification], None],
        ways: Ways,
        failing: FailingScripts,
        wall: Clock,
    ) -> None:
        self._tell = tell
        self.ways = ways
        self._failing = failing
        self._wall = wall
        self._actions = Actions()

    def hear(self, event: Event) -> None:
        """Hear of a run or a plan."""
        match event:
            case InRun():
                self._hear_in_run(event.run, event.script, event.event)
            case ScriptRunStarted(run=run):
                self._tell(of_start(run.script, run.kind, run.id, run.started))
            case ScriptRunEnded(run=run):
                self._tell_run(run)
            case PlanWaits(plan=plan):
                planned = self._actions.of_script(plan.script)
                told = of_plan(plan, self.ways, self._wall(), what="approval", planned=planned)
                self._tell(told)
            case PlanLapsed(plan=plan):
                self._tell(of_plan(plan, self.ways, self._wall(), what="lapsed"))

    def _hear_in_run(self, run: str, script: str, event: Event) -> None:
        match event:
            case ActionDone():
                self._actions.add(run, event)
            case ScriptStarted():
                self._tell(of_start(event.script, "once", run, self._wall()))
            case ScriptEnded():
                self._tell_script(run, event.result)
            case RunEnded(kind="apply"):
                self._tell_applied(run, script, event)

    def _tell_script(self, run: str, script: RunResult) -> None:
        """A script of ``once`` ended."""
        ended = Ended("once", (script.script,), run, script.status, self._wall())
        outcomes = self._actions.take(run, script.script)
        ended = replace(ended, error=script.error, seconds=script.seconds, outcomes=outcomes)
        self._tell(of_run(self._with_past(ended), self.ways))

    def _tell_applied(self, run: str, names: str, applied: RunEnded) -> None:
        """A plan was applied, of the scripts with these names."""
        outcomes = self._actions.take(run)
        failures = (outcome.detail for outcome in outcomes if outcome.status == "failed")
        ended = Ended("apply", _scripts_of(outcomes, names), run, applied.status, self._wall())
        ended = replace(ended, error=next(failures, ""), seconds=applied.seconds, outcomes=outcomes)
        self._tell(of_run(ended, self.ways))

    def _tell_run(self, run: ScriptRun) -> None:
        """A run of a server ended."""
        is_plan, is_apply = run.kind == "plan", run.kind == "apply"
        outcomes = self._actions.take(run.id, "" if run.id else run.script)
        if is_plan and run.status != "done":
            outcomes = [outcome for outcome in outcomes if outcome.status != "planned"]
        ended = Ended(
            run.kind,
            _scripts_of(outcomes, run.script) if is_apply else (run.script,),
            run.id,
            run.status,
            self._wall(),
            run.error,
            max(0.0, (run.ended or run.started) - run.started),
            outcomes,
            summary=run.summary,
        )
        self._tell(of_run(ended if is_apply else self._with_past(ended), self.ways))

    def _with_past(self, ended: Ended) -> Ended:
        """The same, with how the run before it ended. How it ended is noted for the next."""
        if ended.status not in ("done", "failed"):
            return ended
        was_failing = self._failing.ended(ended.scripts[0], failed=ended.status == "failed")
        return replace(ended, was_failing=was_failing)


def _scripts_of(outcomes: Iterable[Outcome], names: str) -> tuple[str, ...]:
    """The scripts of a plan: by its actions, or without any by how the run is called."""
    scripts = dict.fromkeys(outcome.script for outcome in outcomes)
    return tuple(scripts) or tuple(names.split(", "))
