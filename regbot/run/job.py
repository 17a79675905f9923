"""Runs one script, from its text to its result."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import field, replace
from typing import Any

from regbot.config.values import Script
from regbot.errors import (
    GuardBroken,
    InternalError,
    RegbotError,
    ScriptError,
    ScriptTimeout,
    Stopped,
)
from regbot.events import Ending, RunResult, ScriptEnded, ScriptStarted, StepsAhead, in_run
from regbot.lua import sandbox
from regbot.lua.api.catalogue import dispatcher, interface
from regbot.lua.api.context import Context
from regbot.plan.carrying import carry_out, planned_from
from regbot.plan.executor import Terms
from regbot.plan.judgement import judge
from regbot.plan.outcome import Outcome, Outcomes
from regbot.plan.session import Session, open_session
from regbot.plan.turns import Turns, change_of
from regbot.run.repositories import EachRepository, Place, told_with
from regbot.run.services import Services
from regbot.stopping import Stop
from regbot.values import dataclass

_MOST_NAMED = 5
"""Repositories that failed which a script's own error names."""
WITHDRAWN = "its script failed or was stopped, so none of its actions is carried out"


def run_script(script: Script, services: Services, stop: Stop) -> RunResult:
    """Run a script to its end. Never raises.

    The run also ends when ``stop`` asks for it or at the script's timeout.
    """
    started = time.monotonic()
    services = replace(services, emit=in_run(services.emit, script=script.name))
    services.emit(ScriptStarted(script.name, services.dry_run))
    timed = stop if script.timeout is None else stop.within(script.timeout)
    status: Ending = "done"
    error, value, guarded = "", (), False
    try:
        value = tuple(_run(script, services, timed))
    except Stopped as reason:
        status, error = "stopped", str(reason)
    except RegbotError as reason:
        status, error = "failed", str(reason)
        guarded = isinstance(reason, GuardBroken)
    except Exception as reason:  # noqa: BLE001 - a fault of regbot's own must not end the others
        status, error = "failed", f"{script.name}: {InternalError(reason)}"
    seconds = time.monotonic() - started
    result = RunResult(script.name, status, error, seconds, guarded, value)
    services.emit(ScriptEnded(result, services.dry_run))
    return result


@dataclass(frozen=True, slots=True)
class _Worked:
    """What a script returned; ``failures`` are the reasons by repository, which stop no other."""

    value: list[Any] = field(default_factory=list)
    failures: Mapping[str, str] = field(default_factory=dict)


def _run(script: Script, services: Services, stop: Stop) -> list[Any]:
    if services.dry_run or not script.guard.is_set:
        worked = _execute(script, services, stop)
    else:
        trial = services.for_trial()
        worked = _execute(script, trial, stop, is_trial=True)
        for outcome in trial.outcomes.all:
            if outcome.status != "planned":
                services.outcomes.add(outcome)
        _carry_out(script, trial.outcomes.all, services, stop)
    if worked.failures:
        raise ScriptError(f"{script.name}: {_told(worked.failures)}")
    return worked.value


def _told(failures: Mapping[str, str]) -> str:
    """The only failure, or where it failed: each was logged with its reason."""
    if len(failures) == 1:
        return next(iter(failures.values()))
    names = sorted(failures)
    others = len(names) - _MOST_NAMED
    more = f" and {others} more" if others > 0 else ""
    return f"{len(names)} repositories failed: {', '.join(names[:_MOST_NAMED])}{more}"


def _execute(
    script: Script,
    services: Services,
    stop: Stop,
    *,
    place: Place | None = None,
    is_trial: bool = False,
) -> _Worked:
    """Do what a script says, at one of its repositories or at all it has to do with.

    In a dry run, but for a trial, its guard judges what it planned. At a repository it
    does not, since a guard judges all of them together.

    What it planned before it failed counts, as it would have been done by then, except
    where a plan is done as a whole or not at all: that of a plan file, and of a guard.
    """
    plan_counts = not (services.whole or script.guard.is_set)
    with session_of(script, services, stop) as session, ExitStack() as turns:
        try:
            worked = _work(script, services, stop, session, place)
            _settle(script, session)
            if services.dry_run and not (is_trial or place):
                planned = services.outcomes.of(script.name)
                turns.enter_context(_judged(script, session, planned, services, stop))
            plan_counts = True
        finally:
            session.executor.close()
            if plan_counts:
                session.keep()
            else:
                services.outcomes.withdraw(script.name, WITHDRAWN)
        return worked


def _work(
    script: Script, services: Services, stop: Stop, session: Session, place: Place | None
) -> _Worked:
    if script.repositories and place is None:
        return _Worked(failures=_each_repository(script, services, stop, session))
    if script.retention and place:
        from regbot.rules.content import StoreContent
        from regbot.run.retention import keep_to

        store = session.stores.open(place.repository)
        keep_to(
            script.retention,
            place,
            StoreContent(
                store,
                stop,
                blob_limit=services.blob_limit,
                script=script.name,
                emit=services.emit,
            ),
            session.executor,
            script=script.name,
            now=services.now(),
            in_use=services.in_use(script.in_use, stop),
            emit=services.emit,
            keep=services.outcomes.keep if services.evidence else None,
        )
        _raise_for_failed(services.outcomes.of(script.name))
        return _Worked()
    return _Worked(_run_text(script, services, stop, session))


def _raise_for_failed(outcomes: Sequence[Outcome]) -> None:
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if failed:
        count = f"{len(failed)} of {len(outcomes)} actions failed"
        raise ScriptError(f"{count}: {failed[0].detail}")


def _each_repository(
    script: Script, services: Services, stop: Stop, session: Session
) -> Mapping[str, str]:
    """Run a script for each of its repositories. Gives why, by the name of each that failed."""

    def run(place: Place) -> None:
        args = {**script.args, "repo": str(place.repository)}
        emit = told_with(services.emit, {"repository": str(place.repository)})
        at_repository = replace(services, outcomes=Outcomes(), overlay=session.planned, emit=emit)
        try:
            _execute(replace(script, args=args), at_repository, stop, place=place)
        finally:
            for outcome in at_repository.outcomes.all:
                services.outcomes.add(outcome)
            services.outcomes.keep(at_repository.outcomes.kept)

    runs = EachRepository(script.name, services.emit, parallel=services.parallel)
    return runs.run(script.repositories, session.stores, run)


def _run_text(script: Script, services: Services, stop: Stop, session: Session) -> list[Any]:
    context = Context(
        script=script.name,
        stores=session.stores,
        executor=session.executor,
        emit=services.emit,
        stop=stop,
        blob_limit=services.blob_limit,
        lua_path=script.lua_path,
        work_dir=script.work_dir,
        env=script.env,
        environment=services.environment,
        in_use=services.in_use(script.in_use, stop),
        now=services.now,
    )
    fixture = services.fixture
    program = sandbox.Program(
        script.name,
        script.text,
        script.memory,
        services.flavour,
        file=script.chunk_name,
        line=script.line,
        now=fixture.now if fixture else None,
        covered=fixture.covered if fixture else None,
    )
    visible = interface(script.args, memory=script.memory, document_limit=services.blob_limit)
    return sandbox.run(program, visible, dispatcher(context), stop, start=services.start_process)


def _settle(script: Script, session: Session) -> None:
    """Finish what the script deleted. Raises ScriptError for what turns out to have failed."""
    try:
        session.executor.settle()
    except (ScriptTimeout, Stopped):
        raise
    except RegbotError as error:
        raise ScriptError(f"{script.name}: tag.delete: {error}") from error


@contextmanager
def _judged(
    script: Script, session: Session, outcomes: Sequence[Outcome], services: Services, stop: Stop
) -> Iterator[None]:
    """Let no other script change the repositories of a plan from its judgement on.

    Raises GuardBroken.
    """
    repositories = [
        session.executor.repository_of(outcome.action.reference)
        for outcome in outcomes
        if outcome.status == "planned" and change_of(outcome.action)
    ]
    with services.turns.alone(repositories, stop):
        judge(script.guard, outcomes, session.tags_of, services.now())
        yield


def _carry_out(script: Script, outcomes: Sequence[Outcome], services: Services, stop: Stop) -> None:
    """Do what a script's trial planned, once its guard has judged that."""
    plan = planned_from(outcomes)
    carried = replace(services, outcomes=Outcomes(), turns=Turns())
    try:
        with (
            session_of(script, carried, stop) as session,
            _judged(script, session, outcomes, services, stop),
            closing(session.executor),
        ):
            services.emit(StepsAhead(script.name, "action", len(plan)))
            carry_out(plan, lambda _: session.executor)
    finally:
        for outcome in carried.outcomes.all:
            services.outcomes.add(outcome)
    _raise_for_failed(carried.outcomes.all)


def session_of(script: Script, services: Services, stop: Stop) -> AbstractContextManager[Session]:
    """The stores and the door of a script."""
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
        reading=replace(services.reading, readahead=0) if script.retention else services.reading,
        turns=services.turns,
        fixture=services.fixture.stores if services.fixture else None,
    )
