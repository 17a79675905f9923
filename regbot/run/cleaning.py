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
from regbot.values import dataclass

_LOOKS = 32
"""Tags that are looked for at once at the source; its host's own limits hold besides."""


@dataclass(frozen=True, slots=True)
class CleanUp:
    """Removes from a target repository what is not to be there; ``source`` is what it copies."""

    sync: Sync
    source: Reference
    target: Reference
    backups: Backups
    session: Session
    stop: Stop
    script: str
    emit: Emit

    def run(self, wanted: Collection[Tag], *, now: float, in_use: InUse | None) -> None:
        """Delete the tags of the target that are not ``wanted``, but for those to be kept.

        ``now`` is in seconds since 1970. Raises what the stores and ``keep_to`` raise, before
        anything is deleted.
        """
        executor = self.session.executor
        content = StoreContent(
            executor.reading(self.target), self.stop, script=self.script, emit=self.emit
        )
        try:
            there = [tag for tag in content.tags() if not is_digest_tag(tag)]
        except NotFound:
            return
        kept = self._kept(there, wanted)
        doomed = [tag for tag in there if tag not in kept]
        if not doomed:
            return
        if len(doomed) == len(there):
            self._warn("nothing is deleted: the target has none of the tags that are to be there")
            return
        keep_to(
            Policy(
                (Rule(tags=(_one_of(kept),)),),
                delete=(_one_of(doomed),),
                otherwise=f"it is not among what is synced from {self.source}",
            ),
            Place(self.target, is_named=False),
            content,
            executor,
            script=self.script,
            now=now,
            in_use=in_use,
            emit=self.emit,
        )

    def _kept(self, there: Sequence[Tag], wanted: Collection[Tag]) -> set[Tag]:
        """The tags to keep: those wanted, those that a guard protects, and their backups.

        A tag that the rules take also stays where the source has it and did not list it: it is
        new, or the list was not whole. Signatures go with what they belong to.
        """
        executor = self.session.executor
        kept = {*wanted, *self.backups.beside(wanted)}
        kept |= {tag for tag in there if executor.protects(self.target.with_tag(tag))}
        missing = [tag for tag in self.sync.chosen(there) if tag not in kept]
        unlisted = _found(executor.reading(self.source), missing, self.stop)
        if unlisted:
            more = f" and {len(unlisted) - 1} more" if unlisted[1:] else ""
            stay = f"so these stay: {unlisted[0]}{more}"
            self._warn(f"{self.source} did not list all that it has, {stay}")
        return kept | {*unlisted, *self.backups.beside(unlisted)}

    def _warn(self, text: str) -> None:
        fields = {"script": self.script, "repository": str(self.target)}
        self.emit(Message("warn", text, fields))


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
