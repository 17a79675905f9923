"""A run in units, each of which one worker does; and which of them follow which.

The life of a script: without ``repositories`` it is one unit. With them its first unit
lists the repositories, and one for each works there. Where its guard is to judge before
anything is changed, these make a dry run, ``judge`` judges what all of them planned, and
``apply`` units carry that out. Nothing here does anything or waits: who has the units
says which have ended, and is told which are next.

What one process does in memory is known here by what units hand on, and no more. In a dry
run no unit sees what another one plans, as scripts that run at once may not see it either;
guards count it all the same. Each unit has all of its script's timeout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from hashlib import sha256
from typing import Literal

from regbot.config.values import Script
from regbot.errors import ScriptError
from regbot.events import Ending, LeftBehind, RunResult
from regbot.plan.carrying import Planned
from regbot.plan.kept import Kept
from regbot.plan.outcome import Outcome
from regbot.run.repositories import Place, with_name
from regbot.values import dataclass

Kind = Literal["script", "split", "repository", "judge", "apply"]

WITHDRAWN = "its script failed or was stopped, so none of its actions is carried out"
_MOST_NAMED = 5
"""Repositories that failed which a script's own error names."""


@dataclass(frozen=True, slots=True)
class Course:
    """What a run is about, and how it is made.

    ``scripts`` begin in this order, ``parallel`` of them at a time; ``dry_run``,
    ``evidence`` and ``whole`` are as in run.services.Services. Where a plan is carried out
    there are no scripts, but the ``parts`` of it that ``plan.parting.parts_of`` gives; who
    does the units finds them there. ``plan`` is its id, if it is kept.
    """

    run: str
    scripts: tuple[Script, ...] = ()
    dry_run: bool = False
    evidence: bool = False
    whole: bool = False
    parallel: int = 1
    parts: tuple[tuple[Planned, ...], ...] = ()
    plan: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of a run that one worker does.

    ``id`` is the same whoever makes the unit. ``repository`` is where a script works, and
    for ``apply`` the first one of its part; the config names it where ``is_named``.
    ``plan`` is what ``apply`` carries out: of a ``script`` whose guard let it pass, or of a
    plan that somebody applies, and then ``script`` is empty. ``dry_run`` and the two after
    it are as in Course.
    """

    id: str
    run: str
    script: str
    kind: Kind
    repository: str = ""
    is_named: bool = False
    dry_run: bool = False
    evidence: bool = False
    whole: bool = False
    plan: tuple[Planned, ...] = ()


@dataclass(frozen=True, slots=True)
class UnitResult:
    """What became of a unit, after ``seconds``.

    ``guarded``: it failed because a guard stopped it. A ``split`` has the ``places`` that
    it found, and in ``failures`` why registries could not be asked, by their names.
    ``parts`` are those of the plan that ``judge`` let pass. The tags that are
    ``left_behind`` are told again at the end of the run.
    """

    status: Ending = "done"
    error: str = ""
    guarded: bool = False
    outcomes: tuple[Outcome, ...] = ()
    kept: tuple[Kept, ...] = ()
    seconds: float = 0.0
    places: tuple[Place, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[tuple[Planned, ...], ...] = ()
    left_behind: tuple[LeftBehind, ...] = ()


Ended = tuple[Unit, UnitResult]


@dataclass(frozen=True, slots=True)
class Finished:
    """What the units of a script come to together."""

    result: RunResult
    outcomes: tuple[Outcome, ...] = ()
    kept: tuple[Kept, ...] = ()


def first_units(course: Course) -> tuple[Unit, ...]:
    """The units that a run begins with."""
    parts = [_apply_unit(course, "", part) for part in course.parts]
    return (*parts, *_next_scripts(course, {}))


def units_after(
    course: Course, unit: Unit, result: UnitResult, open_units: Mapping[str, int]
) -> tuple[Unit, ...]:
    """The units that can begin, now that one has ended.

    ``open_units`` says of every script that has begun how many of its other units have not
    ended. When it is all zeros and nothing follows, the run has ended. Nothing follows
    where somebody stopped the run.
    """
    if result.status == "stopped" or not course.scripts:
        return ()
    script = next(script for script in course.scripts if script.name == unit.script)
    following = list(_units_of_script(course, script, unit, result, open_units))
    now_open = {**open_units, script.name: open_units.get(script.name, 0) + len(following)}
    following += _next_scripts(course, now_open)
    if course.dry_run and not following and not any(now_open.values()):
        after = script.name if unit.kind == "judge" else ""
        following += _next_judge(course, after)
    return tuple(following)


def _units_of_script(
    course: Course,
    script: Script,
    unit: Unit,
    result: UnitResult,
    open_units: Mapping[str, int],
) -> Iterator[Unit]:
    """What follows of the same script."""
    if unit.kind == "split" and result.status == "done":
        for place in result.places:
            yield _unit(
                course,
                script.name,
                "repository",
                str(place.repository),
                is_named=place.is_named,
            )
    elif unit.kind == "judge" and not course.dry_run:
        for part in result.parts:
            yield _apply_unit(course, script.name, part)
    elif (
        unit.kind == "repository"
        and judged_first(script, dry_run=course.dry_run)
        and not open_units.get(script.name)
    ):
        yield _unit(course, script.name, "judge")


def judged_first(script: Script, *, dry_run: bool) -> bool:
    """Whether what a script plans is judged before any of it is done, in units of its own."""
    return script.is_done_by_repository and script.guard.is_set and not dry_run


def _next_scripts(course: Course, begun: Mapping[str, int]) -> Iterator[Unit]:
    """The first units of scripts for which there is room."""
    at_once = sum(count > 0 for count in begun.values())
    waiting = [script for script in course.scripts if script.name not in begun]
    for script in waiting[: max(0, max(1, course.parallel) - at_once)]:
        yield _unit(course, script.name, "split" if script.is_done_by_repository else "script")


def _next_judge(course: Course, after: str) -> Iterator[Unit]:
    """The judge of the next script with a guard, after the one with this name.

    In a dry run these come at the end, one after the other: each counts what the scripts
    before it take.
    """
    names = [script.name for script in course.scripts]
    later = course.scripts[names.index(after) + 1 :] if after else course.scripts
    for script in later:
        if script.guard.is_set:
            yield _unit(course, script.name, "judge")
            return


def _apply_unit(course: Course, script: str, part: tuple[Planned, ...]) -> Unit:
    repository = str(part[0].action.reference.without_name)
    return _unit(course, script, "apply", repository, plan=part)


def _unit(
    course: Course,
    script: str,
    kind: Kind,
    repository: str = "",
    *,
    is_named: bool = False,
    plan: tuple[Planned, ...] = (),
) -> Unit:
    name = sha256("\n".join((script, kind, repository)).encode()).hexdigest()[:16]
    return Unit(
        f"{course.run}-{name}",
        course.run,
        script,
        kind,
        repository,
        is_named,
        course.dry_run,
        course.evidence,
        course.whole,
        plan,
    )


def finished(script: Script, ended: Sequence[Ended], seconds: float) -> Finished:
    """What the units of a script come to, in the order in which they were made.

    ``seconds`` is how long the script took. One that has no units was not begun.
    """
    if not ended:
        return Finished(RunResult(script.name, "stopped", "not begun"))
    status, error, guarded = _end_of(script, ended)
    first = ended[0][0]
    is_trial = judged_first(script, dry_run=first.dry_run)
    outcomes = tuple(_outcomes_of(ended, is_trial=is_trial))
    is_whole = first.whole or script.guard.is_set
    if first.dry_run and (guarded or (status == "stopped" and is_whole)):
        outcomes = tuple(map(withdrawn, outcomes))
    kept = () if is_trial else tuple(kept for _, result in ended for kept in result.kept)
    return Finished(RunResult(script.name, status, error, seconds, guarded), outcomes, kept)


def withdrawn(outcome: Outcome) -> Outcome:
    """The same, taken back where it was planned."""
    if outcome.status != "planned":
        return outcome
    return replace(outcome, status="skipped", detail=WITHDRAWN)


def _outcomes_of(ended: Sequence[Ended], *, is_trial: bool) -> Iterator[Outcome]:
    """What counts: where a guard had to judge first, not what was planned, but what was done.

    Where it never came to that, nothing does.
    """
    if is_trial and not any(unit.kind == "judge" for unit, _ in ended):
        return
    for unit, result in ended:
        for outcome in result.outcomes:
            if unit.kind == "apply" or not is_trial or outcome.status != "planned":
                yield outcome


def _end_of(script: Script, ended: Sequence[Ended]) -> tuple[Ending, str, bool]:
    """How it ended: what stopped it counts before what a guard said, and that before failures."""
    by_status: dict[str, list[Ended]] = {}
    for unit, result in ended:
        by_status.setdefault(result.status, []).append((unit, result))
    for _, result in by_status.get("stopped", ()):
        return "stopped", result.error, False
    troubled = by_status.get("failed", [])
    for unit, result in troubled:
        if unit.kind not in ("repository", "apply"):
            return "failed", result.error, result.guarded
    applied = [(unit, result) for unit, result in troubled if unit.kind == "apply"]
    if applied:
        return ("failed", *_end_of_applying(script, applied, ended))
    failures = dict(failure for _, result in ended for failure in result.failures.items())
    for unit, result in troubled:
        failures[unit.repository] = with_name(unit.repository, result.error)
    if failures:
        return "failed", f"{script.name}: {told(failures)}", False
    return "done", "", False


def _end_of_applying(
    script: Script, failed: Sequence[Ended], ended: Sequence[Ended]
) -> tuple[str, bool]:
    outcomes = [each for unit, result in ended if unit.kind == "apply" for each in result.outcomes]
    text = failed_actions(outcomes)
    if text:
        return text, False
    errors = {unit.repository: with_name(unit.repository, result.error) for unit, result in failed}
    return f"{script.name}: {told(errors)}", any(result.guarded for _, result in failed)


def failed_actions(outcomes: Sequence[Outcome]) -> str:
    """How many of these actions failed, and why the first; empty where none did."""
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    return f"{len(failed)} of {len(outcomes)} actions failed: {failed[0].detail}" if failed else ""


def raise_for_failed(outcomes: Sequence[Outcome]) -> None:
    """Raise ScriptError where any of these actions failed."""
    text = failed_actions(outcomes)
    if text:
        raise ScriptError(text)


def told(failures: Mapping[str, str]) -> str:
    """The only failure, or where it failed: each was logged with its reason."""
    if len(failures) == 1:
        return next(iter(failures.values()))
    names = sorted(failures)
    others = len(names) - _MOST_NAMED
    more = f" and {others} more" if others > 0 else ""
    return f"{len(names)} repositories failed: {', '.join(names[:_MOST_NAMED])}{more}"
