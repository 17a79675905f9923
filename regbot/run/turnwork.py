"""What a server does in a turn: a run of a script, a plan of one, or a plan that is applied."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from regbot.config.values import Script
from regbot.errors import Conflict, RegbotError, Stopped, StorageError
from regbot.events import Emit, Message, RunMissed, RunResult, in_run
from regbot.journal.records import ScriptRun
from regbot.plan.planfile import Plan, plan_of
from regbot.report.summary import summary
from regbot.run.approval import Approvals, RunTakenOver
from regbot.run.bot import Bot
from regbot.run.planning import apply_kept
from regbot.run.service_events import ScriptRunEnded, ScriptRunLeft, ScriptRunStarted
from regbot.run.service_record import ServiceRecord
from regbot.run.timetable import Turn, rule_text

if TYPE_CHECKING:
    from regbot.report.model import Kind, Report
    from regbot.run.cluster.servers import Servers
    from regbot.run.unit import Course

_LOOKED_EVERY = 1.0
"""Seconds after which a server looks again whether others still run a script."""
_IS_GOING = "the last run is still going, in another server"
_IDLE = frozenset(("unchanged", "skipped"))
"""What becomes of actions in a run that did nothing."""
_KINDS: Mapping[str, Kind] = {"plan": "plan", "apply": "apply"}
"""What a report is called after, by the kind of a run; else it is the server."""


class _IsGoing(Exception):
    """Another server runs the same."""


class TurnWork:
    """Carries out turns, each as a run on record from its begin to its end."""

    def __init__(
        self, record: ServiceRecord, approvals: Approvals, emit: Emit, *, with_reports: bool
    ) -> None:
        self._record = record
        self._approvals = approvals
        self._emit = emit
        self._with_reports = with_reports

    def carry_out(self, turn: Turn, bot: Bot) -> None:
        """Do what a turn is for. How it ended is on record, and emitted.

        It leaves nothing to do where another server does it, and where a plan was applied by
        somebody else while it waited here.
        """
        self._record.tidy()
        run = self._begin(turn, bot)
        if run:
            self.go_on(run, turn.script, bot)

    def _begin(self, turn: Turn, bot: Bot) -> ScriptRun | None:
        """Begin a run as soon as no other server runs the same; None if it is left out.

        Raises Stopped.
        """
        run, servers, trouble = _begun(turn, bot), self._record.servers, ""
        if not servers:
            is_over = turn.plan and self._is_done_with(turn, bot)
            return None if is_over else self._record.begin(run)
        course = None
        while not (turn.plan and self._is_done_with(turn, bot)):
            try:
                if not course:
                    plan = self._plan_of(run, bot).actions if turn.plan else ()
                    course = servers.course_of(turn, plan, bot.for_run(run))
                return self._decide(turn, course, bot, servers)
            except (_IsGoing, Conflict):
                pass
            except StorageError as error:
                if str(error) != trouble:
                    trouble = str(error)
                    self._emit(Message("warn", f"a run has to wait: {error}"))
            bot.stop.wait(_LOOKED_EVERY)
        return None

    def _decide(self, turn: Turn, course: Course, bot: Bot, servers: Servers) -> ScriptRun | None:
        """Begin a run, or leave it out. Raises StorageError, and _IsGoing where it has to wait.

        Of several servers one decides at a time. What is due and has to wait is left to the
        first of them that can begin it. Raises Conflict as ``servers.hand_out`` does.
        """
        skips = turn.script.overlap == "skip" and not turn.is_asked
        with servers.deciding():
            is_going = servers.is_going(turn.names)
            if is_going and not skips:
                raise _IsGoing
            if not turn.is_asked and not servers.claim(turn.script, turn.due):
                return None
            if not is_going:
                run = self._record.begin(_begun(turn, bot))
                servers.hand_out(run, course, bot)
                return run
        self._emit(RunMissed(turn.script.name, turn.due, _IS_GOING))
        return None

    def go_on(self, run: ScriptRun, script: Script, bot: Bot) -> None:
        """See a run that has begun to its end. Raises Stopped where others go on with it."""
        self._emit(ScriptRunStarted(run))
        bot = bot.for_run(run)
        result, plan, is_left = RunResult(run.script, "failed", "internal error"), run.plan, False
        try:
            match run.kind:
                case "plan":
                    result, plan = self._plan(script, bot, run)
                case "apply":
                    result = self._apply(script, bot, run)
                case _:
                    result = self._run(script, bot, run)
        except Stopped:
            is_left = True
            raise
        except RunTakenOver:
            is_left = True
            self._emit(ScriptRunLeft(run))
        finally:
            if is_left:
                self._record.leave(run)
            else:
                run = replace(
                    run,
                    ended=time.time(),
                    status=result.status,
                    error=result.error,
                    guarded=result.guarded,
                    counts=Counter[str](outcome.status for outcome in bot.outcomes),
                    plan=plan,
                    summary=_summary(run, bot, result),
                )
                self._end(run, bot, result)

    def _run(self, script: Script, bot: Bot, run: ScriptRun) -> RunResult:
        """Run a script here, or follow the workers that do. Raises Stopped."""
        if self._record.servers:
            return self._record.servers.follow(run, script, bot)
        (result,) = bot.run_due(script, run.id).results
        return result

    def _is_done_with(self, turn: Turn, bot: Bot) -> bool:
        """Whether a plan can't be applied any more; why not is told."""
        try:
            plan = self._approvals.find(turn.plan, bot.config)
            self._approvals.journal.require_open(plan)
        except RegbotError as error:
            self._emit(Message("info", f"nothing to apply: {error}", {"script": turn.script.name}))
            return True
        return False

    def _plan(self, script: Script, bot: Bot, run: ScriptRun) -> tuple[RunResult, str]:
        """Make a plan of a script, and keep it; its id, empty where there is nothing to do."""
        emit = in_run(self._emit, run.id, run.script)
        result = self._run(script, bot, run)
        if result.status != "done":
            return result, ""
        try:
            return result, self._approvals.keep(bot, run, script, result, emit)
        except (Conflict, StorageError) as error:
            return replace(result, status="failed", error=f"the plan is not kept: {error}"), ""

    def _apply(self, script: Script, bot: Bot, run: ScriptRun) -> RunResult:
        """Apply a plan here, or follow the workers that do. Raises Stopped."""
        if self._record.servers:
            return self._run(script, bot, run)
        try:
            plan = self._plan_of(run, bot)
            journal = self._approvals.journal
            record = self._approvals.find(run.plan, bot.config)
            ended = apply_kept(journal, record, lambda: bot.apply(plan.actions, run.id))
        except RegbotError as error:
            return RunResult(run.script, "failed", str(error))
        return RunResult(run.script, ended.status, _failures(bot), ended.run.seconds)

    def _plan_of(self, run: ScriptRun, bot: Bot) -> Plan:
        """The plan that a run applies; what speaks against it is told. Raises RegbotError."""
        record = self._approvals.find(run.plan, bot.config)
        content = self._approvals.journal.plan_content(record)
        plan = plan_of(content, record.id, work_dir=bot.config.defaults.work_dir)
        for warning in plan.warnings(bot.config.fingerprint):
            in_run(self._emit, run.id, run.script)(Message("warn", warning, {"plan": record.id}))
        return plan

    def _end(self, run: ScriptRun, bot: Bot, result: RunResult) -> None:
        """Note how a run ended, and then what it did: the report reads the registry.

        Of several servers that followed it, only one tells how it ended.
        """
        if not self._record.end(run, bot.stop):
            self._emit(ScriptRunLeft(run))
            return
        report = self._report(run, bot, result)
        if report:
            run = replace(run, freeable=report.bytes_known)
            self._record.amend(run)
        self._emit(ScriptRunEnded(run, report))

    def _report(self, run: ScriptRun, bot: Bot, result: RunResult) -> Report | None:
        """The report of a run that did something, where reports are wanted."""
        did_nothing = {outcome.status for outcome in bot.outcomes} <= _IDLE
        if not self._with_reports or did_nothing:
            return None
        return bot.report(_KINDS.get(run.kind, "server"), [result])


def _begun(turn: Turn, bot: Bot) -> ScriptRun:
    """What is on record of a run that begins."""
    run = ScriptRun("", turn.script.name, _kind(turn, bot), "", time.time(), plan=turn.plan)
    if turn.is_asked:
        return run
    return replace(run, schedule=rule_text(turn.script), due=turn.due.timestamp())


def _kind(turn: Turn, bot: Bot) -> str:
    """What kind of run it is. A script that needs approval does nothing but make a plan."""
    if turn.work == "apply":
        return "apply"
    if turn.work == "plan" or (turn.script.approve and not bot.is_dry_run):
        return "plan"
    return "asked" if turn.is_asked else "server"


def _summary(run: ScriptRun, bot: Bot, result: RunResult) -> str:
    """What a run did; why it failed is told beside it."""
    is_dry_run = bot.is_dry_run or run.kind == "plan"
    return summary(bot.outcomes, (), seconds=result.seconds, dry_run=is_dry_run)


def _failures(bot: Bot) -> str:
    """Why not all of a plan was carried out."""
    failed = [outcome for outcome in bot.outcomes if outcome.status == "failed"]
    count = f"{len(failed)} of {len(bot.outcomes)} actions failed"
    return f"{count}: {failed[0].detail}" if failed else ""
