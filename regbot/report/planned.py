"""A plan as the rows of a table, and as the outcomes that its summary counts."""

from __future__ import annotations

from collections.abc import Iterator

from regbot.plan.action import DeleteManifest, DeleteTag
from regbot.plan.kept import Kept
from regbot.plan.outcome import Outcome
from regbot.plan.planfile import Plan
from regbot.report.build import action_row
from regbot.report.model import Row


def plan_rows(plan: Plan, now: float, *, with_kept: bool = False) -> list[Row]:
    """The actions of a plan, and what a script asked to delete and may not.

    ``with_kept``: also all else that stays. ``now`` is in seconds since 1970.
    """
    rows = [
        action_row(outcome, planned.created, planned.size, now)
        for outcome, planned in zip(_planned(plan), plan.actions, strict=True)
    ]
    return rows + [_kept_row(kept) for kept in plan.kept if with_kept or kept.asked]


def plan_outcomes(plan: Plan) -> list[Outcome]:
    """What a dry run would have recorded for this plan, as far as the plan tells it."""
    skipped = [Outcome(kept.script, _delete(kept), "skipped") for kept in plan.kept if kept.asked]
    return [*_planned(plan), *skipped]


def _planned(plan: Plan) -> Iterator[Outcome]:
    for planned in plan.actions:
        action, carried = planned.action, planned.carried
        yield Outcome(planned.script, action, "planned", action.digest, carried=carried)


def _delete(kept: Kept) -> DeleteTag | DeleteManifest:
    if kept.reference.digest:
        return DeleteManifest(kept.reference, kept.reference.digest)
    return DeleteTag(kept.reference)


def _kept_row(kept: Kept) -> Row:
    return Row(
        script=kept.script,
        repository=str(kept.reference.without_name),
        action=_delete(kept).verb,
        reference=str(kept.reference),
        status="skipped" if kept.asked else "kept",
        digest=str(kept.digest or ""),
        reason=kept.reason,
    )
