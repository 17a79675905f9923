"""A bot's runs, done by the workers of a cluster, and told as if the bot had done them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from regbot.errors import ScriptTimeout, Stopped
from regbot.events import StepsAhead, ignore
from regbot.journal.naming import new_id
from regbot.journal.opening import open_journal
from regbot.plan.carrying import Planned, carry_out, planned_from, scripts_of
from regbot.plan.outcome import Outcomes
from regbot.plan.parting import parts_of
from regbot.run.bot import Bot, Ended
from regbot.run.piece import session_of
from regbot.run.recording import Recording
from regbot.run.services import Services
from regbot.run.unit import Course

if TYPE_CHECKING:
    from regbot.run.cluster.cluster import Cluster


def run_in(cluster: Cluster, bot: Bot, kind: str = "once", run_id: str = "") -> Ended:
    """Have workers run every enabled script once, as ``Bot.run_once`` does here.

    Raises StorageError where they can't be asked to.
    """
    run_id = run_id or new_id(time.time())
    scripts = bot.config.enabled
    with bot.recording(kind, scripts, run_id) as run:
        services = run.services
        course = Course(
            run_id,
            scripts,
            services.dry_run,
            services.evidence,
            services.whole,
            bot.config.parallel,
        )
        _follow(cluster, bot, run, kind, course)
        if services.dry_run and services.evidence:
            _see_planned(bot, services)
    return Ended(run.ended, run.results)


def apply_in(
    cluster: Cluster, bot: Bot, plan: Sequence[Planned], run_id: str = "", kept_as: str = ""
) -> Ended:
    """Have workers carry out a plan, as ``Bot.apply`` does here. Raises as ``run_in`` does.

    ``kept_as`` is its id, where the journal keeps it.
    """
    if not plan:
        return bot.apply(plan, run_id)
    run_id = run_id or new_id(time.time())
    with bot.recording("apply", run_id=run_id, script=", ".join(scripts_of(plan))) as run:
        services = run.services
        with session_of(bot.config.defaults, services, bot.stop) as session:
            parts = parts_of(plan, session.executor.repository_of)
        services.emit(StepsAhead("", "action", len(plan)))
        course = Course(run_id, evidence=services.evidence, parts=tuple(parts), plan=kept_as)
        _follow(cluster, bot, run, "apply", course)
    return Ended(run.ended)


def _follow(cluster: Cluster, bot: Bot, run: Recording, kind: str, course: Course) -> None:
    """Hand out a run, and wait for its end. What is too old is removed first, as here."""
    with open_journal(bot.state) as journal:
        journal.forget(bot.config.journal_keep)
    run.results = tuple(cluster.run(kind, course, run.services, bot.stop))
    is_done = any(outcome.status == "done" for outcome in bot.outcomes)
    if is_done or (not course.dry_run and cluster.actions(course.run)):
        run.changed_as = course.run


def _see_planned(bot: Bot, services: Services) -> None:
    """Let reports and plans see what stays once what workers planned is done."""
    services = replace(services, outcomes=Outcomes(), emit=ignore, evidence=False, answers=None)
    with (
        suppress(Stopped, ScriptTimeout),
        session_of(bot.config.defaults, services, bot.stop) as session,
    ):
        carry_out(planned_from(bot.outcomes), lambda _: session.executor)
        session.executor.close()
        session.keep()
