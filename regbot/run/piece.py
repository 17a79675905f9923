"""The pieces of a script's run: what it says, done or planned; the judgement; the carrying out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import replace
from typing import TypeVar

from regbot.config.values import Calls, Script
from regbot.errors import (
    GuardBroken,
    InternalError,
    RegbotError,
    ScriptError,
    ScriptTimeout,
    Stopped,
)
from regbot.events import Ending, StepsAhead
from regbot.plan.action import Action
from regbot.plan.carrying import Planned, Wait, carry_out, scripts_of
from regbot.plan.executor import Executor, Terms
from regbot.plan.judgement import judge
from regbot.plan.outcome import Outcome, Outcomes
from regbot.plan.session import Session, open_session
from regbot.plan.turns import Turns, change_of
from regbot.rules.policy import Policy
from regbot.run.pulls import wait_for_nothing, waiting_for_pulls
from regbot.run.repositories import Place, told_with
from regbot.run.services import Services
from regbot.run.unit import WITHDRAWN, raise_for_failed
from regbot.stopping import Stop
from regbot.sync.rules import Sync

Result = TypeVar("Result")


def ending_of(what: str, work: Callable[[], None]) -> tuple[Ending, str, bool]:
    """How work ended, why, and whether a guard stopped it; ``what`` names a defect's place."""
    try:
        work()
    except Stopped as reason:
        return "stopped", str(reason), False
    except RegbotError as reason:
        return "failed", str(reason), isinstance(reason, GuardBroken)
    except Exception as reason:  # noqa: BLE001 - a fault of regbot's own must not end the others
        return "failed", f"{what}: {InternalError(reason)}", False
    return "done", "", False


def execute(
    script: Script,
    services: Services,
    stop: Stop,
    work: Callable[[Session], Result],
    *,
    judges: bool,
) -> Result:
    """Do some of a script's work, and give what that gives.

    In a dry run that ``judges``, the script's guard judges what it planned.

    What it planned before it failed counts, as it would have been done by then, except
    where a plan is done as a whole or not at all: that of a plan file, and of a guard.
    """
    plan_counts = not (services.whole or script.guard.is_set)
    with session_of(script, services, stop) as session, ExitStack() as turns:
        try:
            value = work(session)
            _settle(script, session)
            if services.dry_run and judges:
                planned = services.outcomes.of(script.name)
                actions = [each.action for each in planned if each.status == "planned"]
                turns.enter_context(held(session, actions, services, stop))
                judge_in(session, script, planned, services)
            plan_counts = True
        finally:
            session.executor.close()
            if plan_counts:
                session.keep()
            else:
                services.outcomes.withdraw(script.name, WITHDRAWN)
        return value


def judge_in(
    session: Session, script: Script, outcomes: Sequence[Outcome], services: Services
) -> None:
    """Let the guard of a script, or for a command, judge what was planned. Raises GuardBroken."""
    now = services.now()
    if not isinstance(script.work, Calls):
        judge(script.guard, outcomes, session.tags_of, now)
        return
    remedy = "delete less, or correct the guard"
    if not services.dry_run:
        remedy = f"add --dry-run to see what it would delete; then {remedy}"
    judge(script.guard, outcomes, session.tags_of, now, judged="command", remedy=remedy)


def _settle(script: Script, session: Session) -> None:
    """Finish what the script deleted. Raises ScriptError for what turns out to have failed."""
    try:
        session.executor.settle()
    except (ScriptTimeout, Stopped):
        raise
    except RegbotError as error:
        where = script.name if script.work else f"{script.name}: tag.delete"
        raise ScriptError(f"{where}: {error}") from error


def work_in(script: Script, services: Services, stop: Stop, place: Place) -> None:
    """Do what a script says at one of its repositories. A guard judges all of them together."""
    script = replace(script, args={**script.args, "repo": str(place.repository)})
    emit = told_with(services.emit, {"repository": str(place.repository)})
    services = replace(services, emit=emit)

    def work(session: Session) -> None:
        match script.work:
            case Policy() as policy:
                _keep_to(policy, script, services, stop, session, place)
            case Sync() as sync:
                _keep_up(sync, script, services, stop, session, place)
            case _:
                from regbot.run.program import run_text

                run_text(script, services, stop, session)

    execute(script, services, stop, work, judges=False)


def _keep_to(
    policy: Policy,
    script: Script,
    services: Services,
    stop: Stop,
    session: Session,
    place: Place,
) -> None:
    from regbot.rules.content import StoreContent
    from regbot.run.retention import keep_to

    content = StoreContent(
        session.stores.open(place.repository),
        stop,
        blob_limit=services.blob_limit,
        script=script.name,
        emit=services.emit,
    )
    keep_to(
        policy,
        place,
        content,
        session.executor,
        script=script.name,
        now=services.now(),
        in_use=services.in_use(script.in_use, stop),
        emit=services.emit,
        keep=services.outcomes.keep if services.evidence else None,
    )
    raise_for_failed(services.outcomes.of(script.name))


def _keep_up(
    sync: Sync,
    script: Script,
    services: Services,
    stop: Stop,
    session: Session,
    place: Place,
) -> None:
    from regbot.run.syncing import Syncing

    wait = waiting_for_pulls(sync, script.name, session.stores.open, stop, services.emit)
    syncing = Syncing(
        script.name,
        sync,
        place,
        session,
        stop,
        environment=services.environment,
        emit=services.emit,
        wait=wait_for_nothing if services.dry_run else wait,
    )
    syncing.run(now=services.now(), in_use=services.in_use(script.in_use, stop))
    raise_for_failed(services.outcomes.of(script.name))


@contextmanager
def held(
    session: Session, actions: Iterable[Action], services: Services, stop: Stop
) -> Iterator[None]:
    """Let no other script change the repositories of a plan, while it is judged and done."""
    repositories = [
        session.executor.repository_of(action.reference) for action in actions if change_of(action)
    ]
    with services.turns.alone(repositories, stop):
        yield


def carry_out_judged(
    script: Script,
    plan: Sequence[Planned],
    judge: Callable[[Session], None],
    services: Services,
    stop: Stop,
) -> None:
    """Do what a script planned, once ``judge`` has let it pass.

    Raises what that raises, then nothing is done; and ScriptError where actions failed.
    """
    carried = replace(services, outcomes=Outcomes(), turns=Turns())
    actions = [planned.action for planned in plan]
    try:
        with (
            session_of(script, carried, stop) as session,
            held(session, actions, services, stop),
            closing(session.executor),
        ):
            judge(session)
            services.emit(StepsAhead(script.name, "action", len(plan)))
            waits = _waits_of([script], session.executor, services, stop)
            carry_out(plan, lambda _: session.executor, syncs=waits)
    finally:
        for outcome in carried.outcomes.all:
            services.outcomes.add(outcome)
    raise_for_failed(carried.outcomes.all)


def carry_out_for(
    plan: Sequence[Planned],
    door: Executor,
    script_of: Callable[[str], Script],
    services: Services,
    stop: Stop,
) -> None:
    """Carry out a plan through a door, each script's actions by its guard.

    Raises as ``plan.carrying.carry_out`` does.
    """
    executors: dict[str, Executor] = {}
    scripts = {name: script_of(name) for name in scripts_of(plan)}
    for name, script in scripts.items():
        executors[name] = door.acting_for(name, script.guard, services.in_use(script.in_use, stop))
    services.emit(StepsAhead("", "action", len(plan)))
    waits = _waits_of(scripts.values(), door, services, stop)
    carry_out(plan, executors.__getitem__, syncs=waits)


def _waits_of(
    scripts: Iterable[Script], door: Executor, services: Services, stop: Stop
) -> dict[str, Wait]:
    """What each of the scripts that is a sync waits with before it copies."""
    return {
        script.name: waiting_for_pulls(script.work, script.name, door.reading, stop, services.emit)
        for script in scripts
        if isinstance(script.work, Sync)
    }


def session_of(script: Script, services: Services, stop: Stop) -> AbstractContextManager[Session]:
    """The stores and the door of a script. Raises StorageError where it has no lease."""
    services.require_state()
    return open_session(
        script.name,
        services.exchange,
        stop=stop,
        emit=services.emit,
        outcomes=services.outcomes,
        terms=Terms(
            dry_run=services.dry_run,
            guard=script.guard,
            in_use=services.in_use(script.in_use, stop),
            journal=None if services.dry_run else services.journal,
            evidence=services.evidence or (services.dry_run and script.guard.is_set),
            contents=services.evidence or script.guard.min_age is not None,
        ),
        after=services.overlay,
        work_dir=script.work_dir,
        reading=replace(services.reading, readahead=0) if script.work else services.reading,
        turns=services.turns,
        deliveries=services.deliveries,
        fixture=services.fixture.stores if services.fixture else None,
    )
