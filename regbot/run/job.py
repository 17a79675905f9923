"""Runs one script in this process, from its text to its result.

The pieces are those of ``run.piece``, which other machines do as units (``run.unitwork``).
Here they share stores, turns and a timeout, and nothing is written down in between.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from regbot.config.values import Calls, Script
from regbot.errors import ScriptError
from regbot.events import RunResult, ScriptEnded, ScriptStarted, in_run
from regbot.plan.carrying import planned_from
from regbot.plan.outcome import Outcomes
from regbot.plan.session import Session
from regbot.run.piece import (
    carry_out_judged,
    ending_of,
    execute,
    judge_in,
    work_in,
)
from regbot.run.repositories import EachRepository, Place, find_places
from regbot.run.services import Services
from regbot.run.unit import told
from regbot.stopping import Stop


def run_script(script: Script, services: Services, stop: Stop) -> RunResult:
    """Run a script to its end. Never raises.

    The run also ends when ``stop`` asks for it or at the script's timeout.
    """
    started = time.monotonic()
    services = replace(services, emit=in_run(services.emit, script=script.name))
    services.emit(ScriptStarted(script.name, services.dry_run))
    timed = stop if script.timeout is None else stop.within(script.timeout)
    value: list[Any] = []

    def work() -> None:
        value.extend(run_whole(script, services, timed))

    status, error, guarded = ending_of(script.name, work)
    seconds = time.monotonic() - started
    result = RunResult(script.name, status, error, seconds, guarded, tuple(value))
    services.emit(ScriptEnded(result, services.dry_run))
    return result


def run_whole(script: Script, services: Services, stop: Stop) -> list[Any]:
    """Do all that a script says, and give what it returns.

    Live, where it has a guard, it is done as a dry run first, and what that plans is judged
    and then carried out.
    """
    if services.dry_run or not script.guard.is_set:
        value, failures = _work(script, services, stop, judges=True)
    else:
        trial = services.for_trial()
        value, failures = _work(script, trial, stop, judges=False)
        outcomes = trial.outcomes.all
        for outcome in outcomes:
            if outcome.status != "planned":
                services.outcomes.add(outcome)

        def check(session: Session) -> None:
            judge_in(session, script, outcomes, services)

        carry_out_judged(script, planned_from(outcomes), check, services, stop)
    if failures:
        raise ScriptError(f"{script.name}: {told(failures)}")
    return value


def _work(
    script: Script, services: Services, stop: Stop, *, judges: bool
) -> tuple[list[Any], dict[str, str]]:
    """What a script returned, and why it failed at repositories, which stops no other."""
    failures: dict[str, str] = {}

    def work(session: Session) -> list[Any]:
        if isinstance(script.work, Calls):
            from regbot.run.program import run_calls

            failure = run_calls(script.work, script, services, stop, session)
            failures.update({"": failure} if failure else {})
        elif script.is_done_by_repository:
            failures.update(_each_repository(script, services, stop, session))
        else:
            from regbot.run.program import run_text

            return run_text(script, services, stop, session)
        return []

    return execute(script, services, stop, work, judges=judges), failures


def _each_repository(
    script: Script, services: Services, stop: Stop, session: Session
) -> dict[str, str]:
    """Do a script's work at each of its repositories. Gives why it failed, by their names."""

    def work(place: Place) -> None:
        at_repository = replace(services, outcomes=Outcomes(), overlay=session.planned)
        try:
            work_in(script, at_repository, stop, place)
        finally:
            for outcome in at_repository.outcomes.all:
                services.outcomes.add(outcome)
            services.outcomes.keep(at_repository.outcomes.kept)

    places = find_places(script, session.stores, services.emit)
    runs = EachRepository(script.name, services.emit, parallel=services.parallel)
    return {**places.failures, **runs.run(places.all, work)}
