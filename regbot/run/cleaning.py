"""Cleans up the target of a sync: tags go that are not among those to copy."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from itertools import compress

from regbot.errors import NotFound
from regbot.events import Emit, Message
from regbot.image.crew import Crew
from regbot.image.parts import is_digest_tag
from regbot.oci.patterns import Pattern
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.session import Session
from regbot.plan.uses import InUse
from regbot.rules.content import StoreContent
from regbot.rules.policy import Policy, Rule
from regbot.run.backups import Backups
from regbot.run.repositories import Place
from regbot.run.retention import keep_to
from regbot.stopping import Stop
from regbot.store.protocol import ReadStore
from regbot.sync.rules import Sync

_LOOKS = 32
"""Tags that are looked for at once at the source; its host's own limits hold besides."""


def clean_up(
    sync: Sync,
    source: Reference,
    target: Reference,
    wanted: Collection[Tag],
    backups: Backups,
    session: Session,
    stop: Stop,
    *,
    script: str,
    now: float,
    in_use: InUse | None,
    emit: Emit,
) -> None:
    """Delete the tags of a target repository that are not ``wanted``.

    Those that a guard protects stay. A tag that the rules take also stays where the source has
    it and did not list it: it is new, or the list was not whole. So do the signatures and the
    ``backups`` of what stays. ``now`` is in seconds since 1970.

    Raises what the stores and ``keep_to`` raise, before anything is deleted.
    """
    executor = session.executor
    content = StoreContent(executor.reading(target), stop, script=script, emit=emit)
    fields = {"script": script, "repository": str(target)}
    try:
        there = [tag for tag in content.tags() if not is_digest_tag(tag)]
    except NotFound:
        return
    kept = {*wanted, *backups.beside(wanted)}
    kept |= {tag for tag in there if executor.protects(target.with_tag(tag))}
    missing = [tag for tag in sync.chosen(there) if tag not in kept]
    unlisted = _found(executor.reading(source), missing, stop)
    if unlisted:
        more = f" and {len(unlisted) - 1} more" if unlisted[1:] else ""
        text = f"{source} did not list all that it has, so these stay: {unlisted[0]}{more}"
        emit(Message("warn", text, fields))
        kept |= {*unlisted, *backups.beside(unlisted)}
    doomed = [tag for tag in there if tag not in kept]
    if not doomed:
        return
    if len(doomed) == len(there):
        text = "nothing is deleted, as the target has none of the tags that are to be there"
        emit(Message("warn", text, fields))
        return
    keep_to(
        Policy(
            (Rule(tags=(_one_of(kept),)),),
            delete=(_one_of(doomed),),
            otherwise=f"it is not among what is synced from {source}",
        ),
        Place(target, is_named=False),
        content,
        executor,
        script=script,
        now=now,
        in_use=in_use,
        emit=emit,
    )


def _found(store: ReadStore, tags: Sequence[Tag], stop: Stop) -> list[Tag]:
    """Which of these tags a repository has. Raises where that can't be told of each."""

    def is_there(tag: Tag) -> bool:
        try:
            store.head(tag)
        except NotFound:
            return False
        return True

    return list(compress(tags, Crew(_LOOKS, stop).run(is_there, tags)))


def _one_of(tags: Iterable[Tag]) -> Pattern:
    return Pattern("what is synced", re.compile("|".join(map(re.escape, sorted(tags)))))
