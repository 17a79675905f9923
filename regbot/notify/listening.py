"""Hears what a server, or a command, tells of its runs, and has receivers notified."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from regbot.events import (
    Ending,
    Event,
    InRun,
    Kinds,
    RunEnded,
    RunResult,
    ScriptEnded,
    ScriptStarted,
)
from regbot.journal.records import ScriptRun
from regbot.notify.failing import FailingScripts
from regbot.notify.making import Ways, of_plan, of_run, of_start
from regbot.notify.notification import Notification
from regbot.plan.outcome import ActionDone, Outcome
from regbot.run.service_events import (
    PlanLapsed,
    PlanWaits,
    ScriptRunEnded,
    ScriptRunLeft,
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


OF_SERVERS: Kinds = frozenset(
    {ActionDone, ScriptRunStarted, ScriptRunEnded, ScriptRunLeft, PlanWaits, PlanLapsed}
)
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
                self._tell(of_start(run))
            case ScriptRunEnded(run=run):
                self._tell_run(run)
            case ScriptRunLeft(run=run):
                self._actions.take(run.id)
            case PlanWaits(plan=plan):
                planned = self._actions.of_script(plan.script)
                self._tell(of_plan(plan, self.ways, self._wall(), what="approval", planned=planned))
            case PlanLapsed(plan=plan):
                self._tell(of_plan(plan, self.ways, self._wall(), what="lapsed"))

    def _hear_in_run(self, run: str, script: str, event: Event) -> None:
        match event:
            case ActionDone():
                self._actions.add(run, event)
            case ScriptStarted():
                self._tell(of_start(ScriptRun(run, event.script, "once", "", self._wall())))
            case ScriptEnded():
                self._tell_script(run, event.result)
            case RunEnded(kind="apply"):
                self._tell_applied(run, script, event)

    def _tell_script(self, run_id: str, result: RunResult) -> None:
        """A script of ``once`` ended."""
        run = self._of_command("once", run_id, result.script, result.status, result.seconds)
        outcomes = self._actions.take(run_id, result.script)
        self._tell_ended(replace(run, error=result.error), outcomes)

    def _tell_applied(self, run_id: str, names: str, applied: RunEnded) -> None:
        """A plan was applied, of the scripts with these names."""
        run = self._of_command("apply", run_id, names, applied.status, applied.seconds)
        outcomes = self._actions.take(run_id)
        failures = (outcome.detail for outcome in outcomes if outcome.status == "failed")
        self._tell_ended(replace(run, error=next(failures, "")), outcomes)

    def _of_command(
        self, kind: str, run_id: str, script: str, status: Ending, seconds: float
    ) -> ScriptRun:
        """A run of a command, in the shape of those of a server. It ended just now."""
        now = self._wall()
        return ScriptRun(run_id, script, kind, "", now - seconds, ended=now, status=status)

    def _tell_run(self, run: ScriptRun) -> None:
        """A run of a server ended."""
        outcomes = self._actions.take(run.id, "" if run.id else run.script)
        if run.kind == "plan" and run.status != "done":
            outcomes = [outcome for outcome in outcomes if outcome.status != "planned"]
        self._tell_ended(run, outcomes)

    def _tell_ended(self, run: ScriptRun, outcomes: Sequence[Outcome]) -> None:
        """How a script's run ended is noted for the next one. Applying a plan is none."""
        was_failing = False
        if run.kind != "apply" and run.status in ("done", "failed"):
            was_failing = self._failing.ended(run.script, failed=run.status == "failed")
        self._tell(of_run(run, outcomes, self.ways, self._wall(), was_failing=was_failing))
