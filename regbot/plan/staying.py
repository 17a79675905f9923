"""What stays where a plan deletes something, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from regbot.errors import NotFound, RegbotError, ScriptTimeout, Stopped
from regbot.oci.reference import Reference
from regbot.plan.action import DeleteManifest, DeleteTag
from regbot.plan.guard import Guard
from regbot.plan.kept import Kept
from regbot.plan.outcome import Outcome
from regbot.store.protocol import ReadStores

_NOT_ASKED = "the script does not delete it"


def kept_beside(
    outcomes: Sequence[Outcome],
    decided: Iterable[Kept],
    stores: ReadStores,
    guard_of: Callable[[str], Guard],
) -> tuple[Kept, ...]:
    """What stays in the repositories that the outcomes of a dry run are about.

    ``decided`` is what rules keep. Elsewhere the tags are those that ``stores`` list, with
    the planned changes, and ``guard_of`` gives a script's guard. Where they can't be listed,
    there is an entry for the repository that says so. Raises Stopped and ScriptTimeout.
    """
    deletes = [each for each in outcomes if isinstance(each.action, DeleteTag | DeleteManifest)]
    planned = [outcome for outcome in deletes if outcome.status == "planned"]
    going = {reference for outcome in planned for reference in _taken(outcome)}
    decided = tuple(decided)
    judged = {(kept.script, kept.reference.without_name) for kept in decided}
    others = {(each.script, each.action.reference.without_name): each for each in planned}
    listed = (
        kept
        for place, outcome in others.items()
        if place not in judged
        for kept in _listed(outcome, stores, guard_of(outcome.script))
    )
    staying: dict[tuple[str, Reference], Kept] = {}
    for kept in chain(_asked(deletes), decided, listed):
        if kept.reference not in going:
            staying.setdefault((kept.script, kept.reference), kept)
    return tuple(staying.values())


def _taken(delete: Outcome) -> Iterator[Reference]:
    """What a planned delete takes, by name."""
    reference = delete.action.reference
    yield _named(reference)
    for tag in delete.taken_tags:
        yield reference.with_tag(tag)


def _asked(deletes: Iterable[Outcome]) -> Iterator[Kept]:
    """What a script asked to delete, and what is not planned."""
    for outcome in deletes:
        if outcome.status in ("skipped", "failed", "stopped"):
            place, why = _named(outcome.action.reference), outcome.detail
            yield Kept(outcome.script, place, why, outcome.digest, asked=True)


def _listed(delete: Outcome, stores: ReadStores, guard: Guard) -> Iterator[Kept]:
    """The tags that are left of a repository that a script deletes from."""
    repository = delete.action.reference.without_name
    names = (repository, *(delete.evidence.names if delete.evidence else ()))
    try:
        tags = stores.open(repository).tags()
    except (Stopped, ScriptTimeout):
        raise
    except NotFound:
        return
    except RegbotError as error:
        yield Kept(delete.script, repository, f"the tags that stay can't be listed: {error}")
        return
    for tag in tags:
        protection = guard.protection_of(tag, names)
        reason = f"protected by {protection.text}" if protection else _NOT_ASKED
        yield Kept(delete.script, repository.with_tag(tag), reason)


def _named(reference: Reference) -> Reference:
    """The same tag or digest, and a tag alone where both are given."""
    return reference.with_tag(reference.tag) if reference.tag else reference
