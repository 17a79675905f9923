"""What a unit did in all, where an earlier attempt at it was broken off.

The attempt that goes on finds what the earlier one deleted gone, and may not ask for it
again. The journal has what the earlier one did. What it had begun when it was broken off
may have happened or not: where it is found gone now, it counts as done, and where nobody
looked, it counts as stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from regbot.journal.records import ActionRecord
from regbot.oci.reference import Reference
from regbot.plan.action import Delete, DeleteManifest, DeleteTag
from regbot.plan.outcome import Outcome
from regbot.run.unit import Unit
from regbot.store.layout import absolute

_DONE = "an earlier attempt did it"
_BEGUN = "an earlier attempt began it, and it is gone"
_UNKNOWN = "an earlier attempt began it, and it is not known whether it was done"

_Key = tuple[str, Reference]


def with_earlier(
    unit: Unit, outcomes: Sequence[Outcome], entries: Iterable[ActionRecord]
) -> tuple[Outcome, ...]:
    """The outcomes of a unit's last attempt, with what earlier ones did.

    ``entries`` are those that the run had in its journal before the last attempt. Of a
    repository's unit those count that are about its repository.
    """
    earlier = {
        _of_entry(entry): entry
        for entry in entries
        if entry.status in ("done", "begun", "stopped")
        and not entry.was_gone
        and _is_of(unit, entry)
    }
    keys = [_key(outcome) for outcome in outcomes]
    missing = [entry for key, entry in earlier.items() if key not in keys]
    return (
        *_only_told_by_entries(missing),
        *(
            _with_entry(outcome, earlier.get(key))
            for key, outcome in zip(keys, outcomes, strict=True)
        ),
    )


def outcomes_of_failed(
    unit: Unit, error: str, entries: Iterable[ActionRecord]
) -> tuple[Outcome, ...]:
    """The outcomes of a unit of which all attempts came to nothing, the last by an error.

    What earlier ones did is in ``entries``; the rest of a plan has failed.
    """
    outcomes = with_earlier(unit, (), entries)
    keys = {_key(outcome) for outcome in outcomes}
    return (
        *outcomes,
        *(
            Outcome(planned.script, planned.action, "failed", planned.action.digest, error)
            for planned in unit.plan
            if (planned.action.verb, absolute(planned.action.reference)) not in keys
        ),
    )


def _is_of(unit: Unit, entry: ActionRecord) -> bool:
    if unit.kind == "apply":
        return any(
            planned.script == entry.script
            and (planned.action.verb, absolute(planned.action.reference)) == _of_entry(entry)
            for planned in unit.plan
        )
    if entry.script != unit.script:
        return False
    return unit.kind == "script" or str(entry.reference.without_name) == unit.repository


def _of_entry(entry: ActionRecord) -> _Key:
    return entry.verb, entry.reference


def _key(outcome: Outcome) -> _Key:
    return outcome.action.verb, absolute(outcome.action.reference)


def _with_entry(outcome: Outcome, entry: ActionRecord | None) -> Outcome:
    """The same, done where the last attempt found nothing to do any more."""
    if entry is None or not (outcome.was_gone or outcome.status == "unchanged"):
        return outcome
    if entry.status != "done" and not outcome.was_gone:
        return outcome
    detail = _DONE if entry.status == "done" else _BEGUN
    digest = outcome.digest or entry.digest
    return replace(outcome, status="done", detail=detail, digest=digest, was_gone=False)


def _only_told_by_entries(entries: Iterable[ActionRecord]) -> Iterator[Outcome]:
    """Deletes that the last attempt did not ask for. Whatever else is done, it asks for again."""
    for entry in entries:
        action = _delete_of(entry)
        if action is None:
            continue
        if entry.status == "done":
            yield Outcome(entry.script, action, "done", entry.digest, _DONE)
        else:
            yield Outcome(entry.script, action, "stopped", entry.digest, _UNKNOWN)


def _delete_of(entry: ActionRecord) -> Delete | None:
    if entry.verb == DeleteTag.verb and entry.reference.tag:
        return DeleteTag(entry.reference, entry.reason, entry.digest)
    if entry.verb == DeleteManifest.verb and entry.digest:
        return DeleteManifest(entry.reference, entry.digest, entry.reason, allowed_tags=entry.tags)
    return None
