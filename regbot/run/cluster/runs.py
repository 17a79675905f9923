"""A bot's runs, done by the workers of a cluster, and told as if the bot had done them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from regbot.config.values import Script
from regbot.errors import ScriptTimeout, Stopped, StorageError
from regbot.events import RunResult, StepsAhead, ignore
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
    course = course_of(bot, run_id or new_id(time.time()), bot.config.enabled)
    with bot.recording(kind, course.scripts, course.run, by_workers=True) as run:
        _tidy(bot)
        _note(cluster, bot, run, course, cluster.run(kind, course, run.services, bot.stop))
    return Ended(run.ended, run.results)


def follow_in(cluster: Cluster, bot: Bot, kind: str, course: Course, script: str) -> Ended:
    """Follow a run that was handed out, as one that a bot does here. Raises Stopped.

    ``script`` is what it is of.
    """
    with bot.recording(kind, course.scripts, course.run, script, by_workers=True) as run:
        _note(cluster, bot, run, course, cluster.follow(course, run.services, bot.stop))
    return Ended(run.ended, run.results)


def course_of(bot: Bot, run_id: str, scripts: Sequence[Script]) -> Course:
    """A run of some scripts of a bot."""
    services = bot.services
    return Course(
        run_id,
        tuple(scripts),
        services.dry_run,
        services.evidence,
        services.whole,
        bot.config.parallel,
    )


def apply_in(
    cluster: Cluster, bot: Bot, plan: Sequence[Planned], run_id: str = "", kept_as: str = ""
) -> Ended:
    """Have workers carry out a plan, as ``Bot.apply`` does here. Raises as ``run_in`` does.

    ``kept_as`` is its id, where the journal keeps it.
    """
    if not plan:
        return bot.apply(plan, run_id)
    run_id = run_id or new_id(time.time())
    told_as = ", ".join(scripts_of(plan))
    with bot.recording("apply", run_id=run_id, script=told_as, by_workers=True) as run:
        course = course_of_plan(bot, plan, run_id, kept_as)
        run.services.emit(StepsAhead("", "action", len(plan)))
        _tidy(bot)
        _note(cluster, bot, run, course, cluster.run("apply", course, run.services, bot.stop))
    return Ended(run.ended)


def course_of_plan(bot: Bot, plan: Sequence[Planned], run_id: str, kept_as: str = "") -> Course:
    """A run that carries out a plan, which the journal keeps under an id, if it does."""
    with session_of(bot.config.defaults, bot.services, bot.stop) as session:
        parts = parts_of(plan, session.executor.repository_of)
    return Course(run_id, evidence=bot.services.evidence, parts=tuple(parts), plan=kept_as)


def _tidy(bot: Bot) -> None:
    """Remove what is too old, as a run here does before it changes anything."""
    with open_journal(bot.state) as journal:
        journal.forget(bot.config_path, bot.config.journal_keep)


def _note(
    cluster: Cluster, bot: Bot, run: Recording, course: Course, results: Sequence[RunResult]
) -> None:
    """Note what became of a run, and what reports and plans of it have to see."""
    run.results = tuple(results)
    if _has_changed(cluster, bot, course):
        run.changed_as = course.run
    if course.dry_run and course.evidence:
        _see_planned(bot, run.services)


def _has_changed(cluster: Cluster, bot: Bot, course: Course) -> bool:
    """Whether the history has a run, as far as that can be told."""
    if any(outcome.status == "done" for outcome in bot.outcomes):
        return True
    with suppress(StorageError):
        return not course.dry_run and bool(cluster.actions(course.run))
    return False


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
