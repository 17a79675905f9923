"""The plans of a server: kept for somebody to apply, and those that wait for approval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from regbot.config.values import Config, Script
from regbot.errors import Conflict
from regbot.events import Emit, Message, RunResult
from regbot.journal.journal import Journal
from regbot.journal.records import PlanRecord, ScriptRun
from regbot.run.bot import Bot
from regbot.run.commands import approve_command
from regbot.run.planning import keep_plan, plan_of
from regbot.run.service_events import PlanLapsed, PlanWaits
from regbot.units import format_moment


class RunTakenOver(Exception):
    """Another server has the run, since this one was suspended."""


class Approvals:
    """The plans that one config's server makes and applies; ``now`` is in seconds since 1970.

    ``journal`` is None in a dry run, and where it can't be written.
    """

    def __init__(
        self, journal: Journal | None, config_path: str, emit: Emit, now: Callable[[], float]
    ) -> None:
        self._journal = journal
        self._config_path = config_path
        self._emit = emit
        self._now = now
        self._begun = now()

    @property
    def journal(self) -> Journal:
        """The journal. Raises Conflict without one."""
        if not self._journal:
            raise Conflict(
                "this server keeps no plans: it makes a dry run, or its state can't be written"
            )
        return self._journal

    def keep(self, bot: Bot, run: ScriptRun, script: Script, result: RunResult, emit: Emit) -> str:
        """Keep what a dry run of a script planned; the id of the plan, empty if it is empty.

        ``emit`` is that of the run, which is told with what the log says of the plan.
        It takes the place of those of the script that still wait, as they are out of date.
        Raises StorageError, Conflict without a journal, and RunTakenOver.
        """
        journal, plan = self.journal, plan_of(bot, [result])
        record = None
        with journal.database.writing():
            if not journal.script_runs.claim(run):
                raise RunTakenOver
            if plan.actions:
                record = keep_plan(bot, journal, plan, [result], script)
        for waiting in journal.plans_in("waiting", self._config_path):
            if waiting.script == script.name and waiting != record:
                self.give_up(waiting, "a newer one takes its place")
        if record and record.state:
            emit(_waits(record, bot.config))
            self._emit(PlanWaits(record))
        return record.id if record else ""

    def find(self, plan_id: str, config: Config) -> PlanRecord:
        """A plan by its id or the beginning of it, which can be applied with the config.

        Raises NotFound, InvalidValue if there are several, and Conflict for one of another
        config or of a script that is gone, since there is no guard for it.
        """
        plan = self.journal.plan(plan_id)
        if plan.config != self._config_path:
            raise Conflict(f"the plan {plan.id} was made with another config")
        if not _has_script(config, plan):
            raise Conflict(f"the plan {plan.id} is of a script that is gone: {plan.script}")
        return plan

    def look(self, config: Config) -> list[PlanRecord]:
        """Let plans lapse whose time is over; those to be applied. Raises StorageError.

        One that was approved in time is applied later too, unless no server was there for
        it. That of a script which is gone, or left out with --only, waits until it lapses.
        """
        if not self._journal:
            return []
        for plan in self._journal.plans_in("waiting", self._config_path):
            if plan.is_over(self._now()):
                self.give_up(plan, "nobody approved it in time")
        approved = []
        for plan in self._journal.plans_in("approved", self._config_path):
            has_script = _has_script(config, plan)
            if plan.is_over(self._begun if has_script else self._now()):
                self.give_up(plan, "no server applied it in time")
            elif has_script:
                approved.append(plan)
        return approved

    def give_up(self, plan: PlanRecord, why: str) -> None:
        """Let a plan lapse, and tell that, unless its state has changed by now."""
        if self.journal.lapse_plan(plan):
            fields = {"script": plan.script, "plan": plan.id}
            self._emit(Message("warn", f"a plan lapsed: {why}", fields))
            self._emit(PlanLapsed(replace(plan, state="lapsed")))


def _waits(plan: PlanRecord, config: Config) -> Message:
    """The line of a plan that waits."""
    fields = {
        "script": plan.script,
        "plan": plan.id,
        "until": format_moment(round(plan.lapses or 0)),
        "detail": f"{plan.summary}; approve with: {approve_command(config, plan.config, plan.id)}",
    }
    return Message("warn", "a plan waits for approval", fields)


def _has_script(config: Config, plan: PlanRecord) -> bool:
    """Whether the config still has the script that a server made a plan of, enabled."""
    enabled = {script.name for script in config.scripts if script.enabled}
    return not plan.script or plan.script in enabled
