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
        if isinstance(outcome.action, DeleteTag | DeleteManifest) or _overwrites(outcome):
            by_repository.setdefault(_repository(outcome), []).append(outcome)
    return [
        Losses(
            repository,
            min(_counts(here), default=None),
            tuple(_all_doomed(here)),
            tuple(outcome.action.reference for outcome in here if _overwrites(outcome)),
        )
        for repository, here in by_repository.items()
    ]


def _overwrites(outcome: Outcome) -> bool:
    """Whether a protected tag would be put on something else."""
    evidence = outcome.evidence
    return outcome.status == "planned" and evidence is not None and evidence.overwritten is not None


def _repository(outcome: Outcome) -> Reference:
    """The one name of a repository: a script may call it by several."""
    known = outcome.evidence.repository if outcome.evidence else None
    return known or outcome.action.reference.without_name


def _counts(outcomes: Sequence[Outcome]) -> Iterator[int]:
    for outcome in outcomes:
        if outcome.evidence and outcome.evidence.tags_before is not None:
            yield outcome.evidence.tags_before


def _all_doomed(outcomes: Sequence[Outcome]) -> Iterator[Doomed]:
    for outcome in outcomes:
        if outcome.status == "planned" and not _overwrites(outcome):
            yield from _doomed(outcome)


def _doomed(outcome: Outcome) -> Iterator[Doomed]:
    reference = outcome.action.reference
    created = outcome.evidence.created if outcome.evidence else None
    tags = outcome.evidence.tags if outcome.evidence else ()
    if not tags:
        yield Doomed(reference, created)
    for tag in tags:
        yield Doomed(reference.with_tag(tag), created)
