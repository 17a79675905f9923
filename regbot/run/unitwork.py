"""Does one unit of a run, as any worker can.

What a unit is given, it has from the queue: nothing of what other units of the run did is
in the memory of this process. ``run.job`` does the same pieces in one process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from regbot.config.values import Script
from regbot.events import LeftBehind, Message, fan_out, hearing, in_run
from regbot.image.deliveries import Deliveries
from regbot.journal.records import ActionRecord
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import DeleteTag
from regbot.plan.carrying import Planned, planned_from
from regbot.plan.judgement import TagsOf, judge, judge_plan
from regbot.plan.outcome import Outcome, Outcomes
from regbot.plan.outcomeentries import reference_of
from regbot.plan.parting import parts_of
from regbot.plan.session import Session
from regbot.run.again import with_earlier
from regbot.run.job import run_whole
from regbot.run.piece import (
    carry_out_for,
    carry_out_judged,
    ending_of,
    held,
    session_of,
    work_in,
)
from regbot.run.repositories import Place, Places, find_places, work_at
from regbot.run.services import Services
from regbot.run.unit import Unit, UnitResult, judged_first, raise_for_failed
from regbot.stopping import Stop

ScriptOf = Callable[[str], Script]
"""A script of the config by its name; its defaults where there is none."""


def do_unit(
    unit: Unit,
    script_of: ScriptOf,
    services: Services,
    stop: Stop,
    *,
    parts: Sequence[UnitResult] = (),
    before: Sequence[Outcome] = (),
    earlier: Sequence[ActionRecord] = (),
) -> UnitResult:
    """Do a unit to its end. Never raises.

    ``services`` have the run's journal; outcomes and plans are the unit's own. Of the
    script's timeout each unit has all. ``judge`` has as ``parts`` what became of the other
    units of its script, in order, and in a dry run as ``before`` the outcomes of the
    scripts before it, as ``run.unit.finished`` gives them. ``earlier`` are the entries that
    the journal has of the run, where an attempt at the unit was broken off: its outcomes say
    what was done in all.
    """
    began = time.monotonic()
    script = script_of(unit.script)
    left_behind: list[LeftBehind] = []
    emit = fan_out(services.emit, hearing(LeftBehind, left_behind.append))
    work = _Work(
        unit,
        script,
        replace(
            services,
            emit=in_run(emit, unit.run, unit.script),
            outcomes=Outcomes(),
            overlay=None,
            deliveries=Deliveries(),
            dry_run=unit.dry_run,
            evidence=unit.evidence,
            whole=unit.whole,
        ),
        stop if script.timeout is None or not unit.script else stop.within(script.timeout),
    )
    result = UnitResult()

    def do() -> None:
        nonlocal result
        match unit.kind:
            case "script":
                run_whole(script, work.services, work.stop)
            case "split":
                places = work.split()
                result = replace(result, places=places.all, failures=places.failures)
            case "repository":
                work.at_repository()
            case "judge":
                result = replace(result, parts=tuple(work.judge(parts, before)))
            case "apply":
                work.apply(script_of)

    status, error, guarded = ending_of(unit.script or "apply", do)
    if unit.kind == "repository" and status == "failed":
        fields = {"script": unit.script, "repository": unit.repository}
        services.emit(Message("error", error, fields))
    return replace(
        result,
        status=status,
        error=error,
        guarded=guarded,
        outcomes=with_earlier(unit, work.services.outcomes.all, earlier),
        kept=work.services.outcomes.kept,
        seconds=time.monotonic() - began,
        left_behind=tuple(left_behind),
    )


class _Work:
    """What a unit does; ``services`` are its own."""

    def __init__(self, unit: Unit, script: Script, services: Services, stop: Stop) -> None:
        self._unit = unit
        self._script = script
        self._is_trial = judged_first(script, dry_run=unit.dry_run)
        is_simulated = unit.kind == "repository" and self._is_trial
        self.services = services.for_trial() if is_simulated else services
        self.stop = stop

    def split(self) -> Places:
        """List the repositories of the script."""
        script, services = self._script, self.services
        with session_of(script, services, self.stop) as session:
            return find_places(script, session.stores, services.emit)

    def at_repository(self) -> None:
        """Do what the script says at the unit's repository."""
        place = Place(reference_of(self._unit.repository), self._unit.is_named)
        script, services = self._script, self.services

        def work(place: Place) -> None:
            work_in(script, services, self.stop, place)

        work_at(script.name, place, work, services.emit)

    def judge(
        self, parts: Sequence[UnitResult], before: Sequence[Outcome]
    ) -> list[tuple[Planned, ...]]:
        """Let the guard judge what was planned. Gives the parts of that which may be done.

        Raises GuardBroken.
        """
        outcomes = [outcome for part in parts for outcome in part.outcomes]
        actions = [outcome.action for outcome in outcomes if outcome.status == "planned"]
        services = replace(self.services, dry_run=True)
        with (
            session_of(self._script, services, self.stop) as session,
            held(session, actions, services, self.stop),
        ):
            tags_of = _tags_without(before, session)
            judge(self._script.guard, outcomes, tags_of, services.now())
            if self._unit.dry_run:
                return []
            return parts_of(planned_from(outcomes), session.executor.repository_of)

    def apply(self, script_of: ScriptOf) -> None:
        """Carry out the unit's plan; that of a script is judged again, with the tags of now.

        Since the plan as a whole was judged, others may have deleted.
        """
        plan, script = self._unit.plan, self._script
        if self._unit.script:
            carry_out_judged(script, plan, self._judge_again, self.services, self.stop)
            return
        with session_of(script, self.services, self.stop) as session:
            carry_out_for(plan, session.executor, script_of, self.services, self.stop)
        raise_for_failed(self.services.outcomes.all)

    def _judge_again(self, session: Session) -> None:
        judge_plan(
            self._unit.plan,
            lambda _: self._script.guard,
            session.executor.repository_of,
            session.tags_of,
            self.services.now(),
        )


def _tags_without(before: Sequence[Outcome], session: Session) -> TagsOf:
    """The tags of repositories, without those that planned deletes take."""
    repository_of = session.executor.repository_of
    taken: dict[Reference, set[Tag]] = {}
    for outcome in before:
        if outcome.status == "planned":
            tags = taken.setdefault(repository_of(outcome.action.reference), set())
            tags.update(outcome.taken_tags)
            if isinstance(outcome.action, DeleteTag):
                tags.add(outcome.action.tag)

    def tags_of(reference: Reference) -> frozenset[Tag] | None:
        tags = session.tags_of(reference)
        return tags and tags - taken.get(repository_of(reference), set())

    return tags_of
