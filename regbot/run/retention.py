"""Keeps to a retention policy in a repository: what goes is deleted as a script would do it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from regbot.errors import NotFound
from regbot.events import Emit, Message
from regbot.image.parts import part_of_tag
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.plan.action import DeleteTag
from regbot.plan.carrying import Planned, carry_out
from regbot.plan.executor import Executor
from regbot.plan.kept import Kept
from regbot.plan.uses import InUse
from regbot.rules.content import Content
from regbot.rules.deciding import decide
from regbot.rules.decision import Decision, Decisions
from regbot.rules.policy import Policy
from regbot.run.repositories import Place


def keep_to(
    policy: Policy,
    place: Place,
    content: Content,
    executor: Executor,
    *,
    script: str,
    now: float,
    in_use: InUse | None,
    emit: Emit,
    keep: Callable[[Iterable[Kept]], None] | None = None,
) -> None:
    """Delete what a policy does not keep. ``now`` is in seconds since 1970.

    ``keep`` notes what it keeps.

    Raises what the content raises, and what ``in_use`` raises before anything is deleted.
    What fails is among the executor's outcomes.
    """
    fields = {"script": script, "repository": str(place.repository)}
    try:
        decisions = decide(content, policy, now, in_use)
    except NotFound:
        if place.is_named:
            raise
        emit(Message("debug", "it is listed, but has no tags", fields))
        return
    if keep:
        keep(_kept_of(decisions, script))
    deletes = list(deletes_of(decisions))
    text = f"{len(deletes)} of {len(decisions.all)} tags are to be deleted"
    emit(Message("info" if deletes else "debug", text, fields))
    if deletes and in_use:
        in_use.uses()  # where that can't be known, it is told once and not for each tag
    carry_out([Planned(script, action) for action in deletes], lambda _: executor)


def _kept_of(decisions: Decisions, script: str) -> Iterator[Kept]:
    for decision in decisions.all:
        if decision.keep:
            tag = decisions.repository.with_tag(decision.tag)
            yield Kept(script, tag, decision.reason, decision.digest)


def deletes_of(decisions: Decisions) -> Iterator[DeleteTag]:
    """The deletes that decisions lead to: images first, then what goes with them.

    What goes with an image is a later step of the same removal, so it stays where the image
    could not be deleted.
    """
    images = [each for each in decisions.deleted if not each.owners]
    attached = [each for each in decisions.deleted if each.owners]
    groups = _groups(each.owners for each in attached)
    grouped = frozenset[Digest]().union(*groups)
    yield from (
        _delete(decisions.repository, each) for each in images if each.digest not in grouped
    )
    for group in groups:
        removal = f"{decisions.repository}@{min(group, key=str)}"
        together = [each for each in images if each.digest in group]
        together += [each for each in attached if each.owners <= group]
        yield from (_delete(decisions.repository, each, removal) for each in together)


def _groups(owners: Iterable[frozenset[Digest]]) -> list[frozenset[Digest]]:
    """The digests that share anything which goes with them, together."""
    groups: list[frozenset[Digest]] = []
    for each in owners:
        joined = each.union(*(group for group in groups if group & each))
        groups = [*(group for group in groups if not group & each), joined]
    return groups


def _delete(repository: Reference, decision: Decision, removal: str = "") -> DeleteTag:
    return DeleteTag(
        repository.with_tag(decision.tag),
        decision.reason,
        decision.digest,
        may_be_gone=True,
        removal=removal,
        part=part_of_tag(decision.tag) if decision.owners else "",
    )
