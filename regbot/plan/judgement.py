"""The guard's look at a simulated run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from regbot.errors import GuardBroken
from regbot.oci.reference import Reference
from regbot.plan.action import DeleteManifest, DeleteTag
from regbot.plan.guard import Doomed, Guard, Losses, broken_rules
from regbot.plan.outcome import Outcome


def judge(guard: Guard, outcomes: Sequence[Outcome], now: float) -> None:
    """Raise GuardBroken, with every broken rule, unless the planned deletes keep them all."""
    lines = broken_rules(guard, _losses(outcomes), now)
    if lines:
        raise GuardBroken("; ".join(lines))


def _losses(outcomes: Sequence[Outcome]) -> list[Losses]:
    by_repository: dict[Reference, list[Outcome]] = {}
    for outcome in outcomes:
        if isinstance(outcome.action, DeleteTag | DeleteManifest):
            by_repository.setdefault(_names(outcome)[0], []).append(outcome)
    return [
        Losses(_names(deletes[0]), min(_counts(deletes), default=None), tuple(_all_doomed(deletes)))
        for deletes in by_repository.values()
    ]


def _names(outcome: Outcome) -> tuple[Reference, ...]:
    """All names of the repository, which a script may call by several."""
    known = outcome.evidence.names if outcome.evidence else ()
    return known or (outcome.action.reference.without_name,)


def _counts(outcomes: Sequence[Outcome]) -> Iterator[int]:
    for outcome in outcomes:
        if outcome.evidence and outcome.evidence.tags_before is not None:
            yield outcome.evidence.tags_before


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
