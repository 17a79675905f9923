"""The guard's look at a simulated run, or at the plan that it left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from regbot.errors import GuardBroken
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import DeleteManifest, DeleteTag
from regbot.plan.carrying import Planned
from regbot.plan.evidence import Evidence
from regbot.plan.guard import Doomed, Guard, Losses, broken_rules
from regbot.plan.outcome import Outcome

TagsOf = Callable[[Reference], frozenset[Tag] | None]
"""The tags of a repository without what is planned; None where they can't be read."""


_REMEDY = "to see what it would delete: regbot once --dry-run; then correct the script or the guard"


def judge(
    guard: Guard,
    outcomes: Sequence[Outcome],
    tags_of: TagsOf,
    now: float,
    *,
    judged: str = "script",
    remedy: str = _REMEDY,
) -> None:
    """Raise GuardBroken, with every broken rule, unless the planned deletes keep them all.

    The tags are counted now: since the script has read them, others may have gone. ``judged``
    is what the guard stops, and ``remedy`` what to do then.
    """
    lines = _broken(guard, outcomes, tags_of, now)
    if lines:
        raise GuardBroken(
            f"the guard stopped this {judged}, and nothing was deleted: {'; '.join(lines)}"
            f" ({remedy})"
        )


def judge_plan(
    plan: Sequence[Planned],
    guard_of: Callable[[str], Guard],
    repository_of: Callable[[Reference], Reference],
    tags_of: TagsOf,
    now: float,
) -> None:
    """Raise GuardBroken unless a plan keeps to the guards, each script's part to the script's.

    ``repository_of`` gives a repository by the one of its names to compare by.
    """
    outcomes: dict[str, list[Outcome]] = {}
    for planned in plan:
        action = planned.action
        tags = (action.allowed_tags or ()) if isinstance(action, DeleteManifest) else ()
        names = (repository_of(action.reference), action.reference.without_name)
        evidence = Evidence(created=planned.created, tags=tags, names=names)
        outcome = Outcome(planned.script, action, "planned", action.digest, evidence=evidence)
        outcomes.setdefault(planned.script, []).append(outcome)
    lines = [
        line
        for script, of_script in outcomes.items()
        for line in _broken(guard_of(script), of_script, tags_of, now)
    ]
    if lines:
        raise GuardBroken(
            f"the guard stopped this plan, and nothing was deleted: {'; '.join(lines)}"
            " (correct what is planned, or the guard)"
        )


def _broken(guard: Guard, outcomes: Sequence[Outcome], tags_of: TagsOf, now: float) -> list[str]:
    return broken_rules(guard, _losses(guard, outcomes, tags_of), now)


def _losses(guard: Guard, outcomes: Sequence[Outcome], tags_of: TagsOf) -> list[Losses]:
    by_repository: dict[Reference, list[Outcome]] = {}
    for outcome in outcomes:
        if isinstance(outcome.action, DeleteTag | DeleteManifest):
            by_repository.setdefault(_names(outcome)[0], []).append(outcome)
    plan = []
    for deletes in by_repository.values():
        losses = Losses(_names(deletes[0]), None, tuple(_all_doomed(deletes)))
        if losses.tags and guard.counts_tags:
            losses = replace(losses, listed=tags_of(deletes[0].action.reference))
        plan.append(losses)
    return plan


def _names(outcome: Outcome) -> tuple[Reference, ...]:
    """All names of the repository, which a script may call by several."""
    known = outcome.evidence.names if outcome.evidence else ()
    return known or (outcome.action.reference.without_name,)


def _all_doomed(outcomes: Sequence[Outcome]) -> Iterator[Doomed]:
    for outcome in outcomes:
        if outcome.status == "planned":
            yield from _doomed(outcome)


def _doomed(outcome: Outcome) -> Iterator[Doomed]:
    reference = outcome.action.reference
    created = outcome.evidence.created if outcome.evidence else None
    tags = outcome.evidence.tags if outcome.evidence else ()
    if not tags:
        yield Doomed(reference, created)
    for tag in tags:
        yield Doomed(reference.with_tag(tag), created)
