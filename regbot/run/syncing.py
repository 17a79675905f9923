"""Keeps copies up at one repository: what the rules of a sync entry want is copied there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from regbot.errors import (
    GuardBroken,
    InvalidValue,
    NotFound,
    RegbotError,
    ScriptError,
    ScriptTimeout,
    Stopped,
)
from regbot.events import Emit, Level, Message, StepsAhead
from regbot.image.crew import Crew
from regbot.image.options import CopyOptions
from regbot.image.resolve import image_of
from regbot.image.transfer import NOT_SEEN
from regbot.oci.digest import Digest
from regbot.oci.manifest import INDEXES
from regbot.oci.reference import Reference
from regbot.plan.action import CopyImage
from regbot.plan.carrying import COPIES, Wait
from regbot.plan.executor import Executor
from regbot.plan.session import Session
from regbot.plan.uses import InUse
from regbot.run.backups import Backups
from regbot.run.repositories import Place, with_name
from regbot.run.unit import told
from regbot.stopping import Stop
from regbot.store.protocol import ReadStore, ReadStores
from regbot.sync.rules import Sync
from regbot.values import dataclass

Result = TypeVar("Result")

LOOKS = 32
"""Tags that are compared at once; each host's own limits hold besides."""


@dataclass(frozen=True, slots=True)
class _Copy:
    """An image to copy, by its name and digest; ``there`` is what the target's tag is on now."""

    source: Reference
    target: Reference
    digest: Digest
    there: Digest | None

    @property
    def replaced(self) -> Digest | None:
        """What the target's tag will not be on any more."""
        return None if self.there == self.digest else self.there

    @property
    def reason(self) -> str:
        """Why it is copied."""
        if self.there is None:
            return "the target doesn't have it"
        return "the source has another image" if self.replaced else "it may lack some content"


class Syncing:
    """One sync entry at one repository of its source."""

    def __init__(
        self,
        script: str,
        sync: Sync,
        place: Place,
        session: Session,
        stop: Stop,
        *,
        environment: Mapping[str, str],
        emit: Emit,
        wait: Wait,
    ) -> None:
        """``wait`` is what waits for the limit of pulls before each copy."""
        self._script = script
        self._sync = sync
        self._place = place
        self._session = session
        self._stores: ReadStores = session.stores
        self._executor: Executor = session.executor
        self._stop = stop
        self._emit = emit
        self._wait = wait
        self._target = sync.target_of(place.repository)
        self._backups = Backups(
            sync.backup, self._target.without_name, environment, self._executor.repository_of
        )
        self._lock = threading.Lock()
        self._failures: dict[str, str] = {}

    def run(self, *, now: float, in_use: InUse | None) -> None:
        """Copy what is to be copied, then clean up. Raises ScriptError where something failed.

        ``now`` is in seconds since 1970.
        """
        self._refuse_itself()
        names = self._names()

        def look(name: Reference) -> _Copy | None:
            return self._tried(name, lambda: self._compare(name))

        copies = [image for image in Crew(LOOKS, self._stop).run(look, names) if image]
        clashing = self._backups.clashing(
            map(self._at_target, names), (image.target for image in copies if image.replaced)
        )

        def copy(image: _Copy) -> None:
            self._tried(image.source, lambda: self._copy(image, clashing))

        text = f"{len(copies)} of {len(names)} images are to be copied"
        self._tell("info" if copies else "debug", text)
        self._emit(StepsAhead(self._script, "action", len(copies)))
        Crew(COPIES, self._stop).run(copy, copies)
        if self._sync.cleanup and names and not self._failures:
            self._clean_up(names, now=now, in_use=in_use)
        if self._failures:
            raise ScriptError(f"{self._place.repository}: {told(self._failures)}")

    def _refuse_itself(self) -> None:
        """Raise ScriptError where tags of a repository are copied to where they are."""
        source = self._place.repository
        if self._backups.is_target(source) and not self._sync.is_of_image:
            raise ScriptError(f"{source} is the source and the target (name another target)")

    def _names(self) -> Sequence[Reference]:
        """The images to copy, by their names at the source."""
        source, repository = self._sync.source, self._place.repository
        if source and self._sync.is_of_image:
            return [source]
        try:
            tags = self._listing(repository).tags()
        except NotFound:
            if self._place.is_named:
                raise
            self._tell("debug", "it is listed, but has no tags")
            return []
        chosen = self._sync.chosen(tags)
        if not chosen:
            self._tell("warn", f"none of its {len(tags)} tags is to be copied")
        return [repository.with_tag(tag) for tag in chosen]

    def _listing(self, repository: Reference) -> ReadStore:
        """Who lists the source's tags: a mirror may lack some, so none where others are deleted."""
        if self._sync.cleanup:
            return self._executor.reading(repository)
        return self._stores.open(repository)

    def _compare(self, source: Reference) -> _Copy | None:
        sync, store, target = self._sync, self._stores.open(source), self._at_target(source)
        there = self._digest_at(target)
        if there and sync.only_missing:
            return None
        try:
            head = store.head(source.name)
        except NotFound:
            if sync.is_of_image:
                raise
            self._tell("debug", f"{source} is gone meanwhile")
            return None
        digest = head.digest
        if head.media_type not in sync.media_types:
            self._tell("info", f"{source} is left out, as its type is {head.media_type}")
            return None
        if sync.platform and head.media_type in INDEXES:
            digest = image_of(store, store.manifest(digest), sync.platform).digest
        if there == digest and (sync.options.fast_check or not sync.options.asks_for_more):
            return None
        return _Copy(source, target, digest, there)

    def _at_target(self, source: Reference) -> Reference:
        if self._sync.is_of_image or source.tag is None:
            return self._target
        return self._target.with_tag(source.tag)

    def _digest_at(self, target: Reference) -> Digest | None:
        """What the target's tag is on; None where it isn't there, or may not be seen.

        Where a backup is made of it, or it is to be left alone, it has to be seen.
        """
        sync = self._sync
        unseen = (NotFound,) if sync.backup or sync.only_missing else NOT_SEEN
        try:
            return self._executor.reading(target).head(target.name).digest
        except unseen:
            return None

    def _copy(self, copy: _Copy, clashing: Collection[Reference]) -> None:
        """Copy an image, and before it what it replaces to its backup.

        An image whose backup failed, or is ``clashing`` with another image, is not replaced.
        """
        if copy.target in clashing:
            raise InvalidValue(
                f"backup: {self._backups.of(copy.target)} gets another image in the same run"
                " (write another tag, or don't copy to that one)"
            )
        source = copy.source.with_digest(copy.digest)
        self._wait(source)
        if copy.replaced and self._sync.backup:
            backup = self._backups.of(copy.target)
            kept = replace(copy.target, digest=copy.replaced)
            reason = f"{copy.target} is about to be replaced"
            self._executor.execute(
                CopyImage(kept, backup, CopyOptions(), reason, digest=copy.replaced)
            )
        name = copy.source if self._sync.platform is None else source
        self._executor.execute(
            CopyImage(name, copy.target, self._sync.options, copy.reason, copy.digest)
        )

    def _clean_up(self, names: Sequence[Reference], *, now: float, in_use: InUse | None) -> None:
        """Delete the tags of the target that are not among those to copy."""
        from regbot.run.cleaning import CleanUp

        cleaning = CleanUp(
            self._sync,
            self._place.repository,
            self._target,
            self._backups,
            self._session,
            self._stop,
            self._script,
            self._emit,
        )
        cleaning.run([name.tag for name in names if name.tag], now=now, in_use=in_use)

    def _tried(self, source: Reference, work: Callable[[], Result]) -> Result | None:
        """What work gives, or None where it fails, which stops no other image."""
        try:
            return work()
        except (GuardBroken, ScriptTimeout, Stopped):
            raise
        except RegbotError as error:
            text = with_name(str(source), str(error))
            with self._lock:
                self._failures[str(source)] = text
            self._tell("error", text)
            return None

    def _tell(self, level: Level, text: str) -> None:
        fields = {"script": self._script, "repository": str(self._place.repository)}
        self._emit(Message(level, text, fields))
