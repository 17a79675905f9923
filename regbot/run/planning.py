"""The plan that a dry run leaves, how it is kept, and what becomes of it there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from regbot.config.values import Script
from regbot.errors import Stopped
from regbot.events import RunResult
from regbot.plan.carrying import planned_from
from regbot.plan.kept import Kept
from regbot.plan.planfile import Plan, plan_text
from regbot.plan.staying import kept_beside
from regbot.report.summary import summary
from regbot.run.bot import Bot, Ended
from regbot.store.protocol import ReadStores

if TYPE_CHECKING:
    from regbot.journal.journal import Journal
    from regbot.journal.records import PlanRecord


def plan_of(bot: Bot, results: Sequence[RunResult], stores: ReadStores | None = None) -> Plan:
    """The plan that a dry run leaves, with what stays where something is deleted.

    What stays is not looked at any more when the run has to stop. ``stores`` are read
    in place of the bot's.
    """
    outcomes = bot.services.outcomes
    kept: tuple[Kept, ...] = ()
    with suppress(Stopped):
        kept = kept_beside(
            outcomes.all,
            outcomes.kept,
            stores or bot.stores(),
            lambda name: bot.script(name).guard,
        )
    actions = tuple(planned_from(outcomes.all))
    return Plan(time.time(), bot.config.fingerprint, actions, kept, tuple(results))


def keep_plan(
    bot: Bot,
    journal: Journal,
    plan: Plan,
    results: Sequence[RunResult],
    script: Script | None = None,
) -> PlanRecord:
    """Keep a plan that a bot made. Raises StorageError.

    ``script`` is the one that a server made it of: it waits, if that needs approval.
    """
    return journal.keep_plan(
        plan_text(plan, bot.config.defaults.work_dir).encode(),
        made=plan.made,
        config=bot.config_path,
        keep=bot.config.journal_keep,
        summary=summary(bot.outcomes, results, seconds=0.0, dry_run=True),
        script=script.name if script else "",
        approve_within=script.approve_within if script and script.approve else None,
    )


def apply_kept(journal: Journal, record: PlanRecord, apply: Callable[[], Ended]) -> Ended:
    """Apply a plan that a journal keeps, and note there what became of it.

    Raises Conflict for one that needs approval and has lapsed or was applied, or that
    somebody else applies.
    """
    record = journal.begin_plan(record)
    state: Literal["applied", "failed"] = "failed"
    try:
        ended = apply()
        if ended.status == "done":
            state = "applied"
        return ended
    finally:
        journal.end_plan(record, state)
