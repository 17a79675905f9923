"""Deletes of one script: each is looked at, saved and begun, and finished behind the script.

``Looks`` say what goes, ``Entries`` save it, the ``Applier`` deletes it, and ``Record``
keeps how that ended. In a dry run the look too may come behind the script.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TypeVar

from regbot.errors import DigestMismatch, InternalError, NotFound, RegbotError
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import Delete, DeleteTag
from regbot.plan.apply import Applier
from regbot.plan.behind import Begun, Behind
from regbot.plan.entries import Entries
from regbot.plan.evidence import Evidence
from regbot.plan.foreseen import Finding, Foreseen
from regbot.plan.gathering import Gathering
from regbot.plan.look import Looks, Target
from regbot.plan.outcome import Applied, Outcome, Record
from regbot.store.overlay import Overlay

A = TypeVar("A", Applied, Applied | None)


class Deletes:
    """Carries out deletes when it is their turn; threads may share it.

    ``closely``: what goes is read, to be saved or told. ``behind`` has the deletes of the
    session that are not finished.
    """

    def __init__(
        self,
        applier: Applier,
        looks: Looks,
        entries: Entries,
        gathering: Gathering,
        record: Record,
        behind: Behind,
        *,
        closely: bool,
    ) -> None:
        self._applier = applier
        self._looks = looks
        self._entries = entries
        self._gathering = gathering
        self._record = record
        self._behind = behind
        self._closely = closely
        self._foreseen = Foreseen()
        self._failures: list[RegbotError] = []

    def delete(self, action: Delete, since: float) -> Outcome:
        """Delete a tag or a manifest. What fails is recorded, and raised.

        ``since`` is that of ``Executor._do``.
        """
        evidence: Evidence | None = None
        self._record.begin(action)
        try:
            seen = self._looks.before(action, closely=self._closely, since=since)
            evidence = self._gathering.of(action, seen)
            applied = seen if isinstance(seen, Applied) else self._delete(action, seen)
        except RegbotError as error:
            self._record.failure(action, error, evidence)
            raise
        return self._record.end(action, applied, evidence)

    def begin(self, action: DeleteTag, turn: ExitStack) -> None:
        """Delete a tag, and leave the end of it behind, with its ``turn``.

        What is refused at once is recorded and raised as by ``delete``, what turns out
        later is recorded then, and raised by ``settle``.
        """
        repository = self._applier.names(action.reference)[0]
        evidence: Evidence | None = None
        self._record.begin(action)
        with self._behind.beginning(repository, action.tag):
            try:
                seen = self._looks.before(action, closely=self._closely)
                evidence = self._gathering.of(action, seen)
                applied: Applied | None
                if isinstance(seen, Applied):
                    applied = seen
                else:
                    applied = self._begin(repository, Begun(action, seen, evidence), turn)
            except RegbotError as error:
                self._record.failure(action, error, evidence)
                raise
            if applied is not None:
                self._record.end(action, applied, evidence)

    def finish(self) -> None:
        """Finish the deletes that were begun; what fails is recorded."""
        self._foreseen.settle()
        self._behind.settle()

    def settle(self) -> None:
        """Finish the deletes that were begun. Raises the first error of one of the script's."""
        self.finish()
        failures, self._failures = self._failures, []
        for error in failures:
            raise error

    def settle_before(self, repository: Reference, tag: Tag | None) -> None:
        """Finish the deletes that were begun, where one is of this tag; None is any tag there."""
        if self._foreseen.holds(repository, tag):
            self._foreseen.settle()
        if self._behind.holds(repository, tag):
            self._behind.settle()

    def close(self) -> None:
        """Finish the deletes that were begun, and begin none any more."""
        self._foreseen.close()
        self._behind.close()

    def foresee(self, action: DeleteTag) -> bool:
        """Plan the delete of a tag that the script has listed, and look at the tag behind it.

        False where what is planned already, or the registry, asks for a look first.
        """
        if self._applier.planned is None or not action.may_be_gone or action.removal:
            return False
        if not self._looks.may_foresee(action):
            return False
        overlay = self._applier.planned.open(action.reference)
        store = None if overlay.last_tag_takes_manifest else overlay.foresee_delete(action.tag)
        if store is None:
            return False

        def look() -> Finding:
            evidence: Evidence | None = None
            try:
                seen = self._looks.foreseen(store, action, closely=self._closely)
                evidence = self._gathering.of(action, seen, store)
            except RegbotError as error:
                return partial(self._failed_unseen, overlay, action, error, evidence)
            if isinstance(seen, Target):
                return partial(self._record.end, action, Applied(seen.digest), evidence)
            if seen.status == "skipped":
                overlay.take_back(action.tag)
            return partial(self._record.end, action, seen, evidence)

        self._foreseen.add(self._applier.names(action.reference)[0], action.tag, look)
        return True

    def _failed_unseen(
        self, overlay: Overlay, action: DeleteTag, error: RegbotError, evidence: Evidence | None
    ) -> None:
        overlay.take_back(action.tag)
        self._failures.append(error)
        self._record.failure(action, error, evidence)

    def _delete(self, action: Delete, target: Target) -> Applied:
        """Save what a delete takes away, where there is a journal, and delete that alone."""

        def delete() -> Applied:
            now = self._looked_again(action, target)
            if isinstance(now, Applied):
                return now
            return self._what_is_there(action, now, lambda: self._applier.delete(action, now))

        saved = self._entries.save(target)
        return self._with_referrer(action, target, self._entries.around(action, saved, delete))

    def _begin(self, repository: Reference, begun: Begun, turn: ExitStack) -> Applied | None:
        """Begin a delete; None where it is left behind, with its turn."""
        action, target = begun.action, begun.target
        saved = self._entries.save(target)

        def begin() -> Applied | None:
            now = self._looked_again(action, target)
            if isinstance(now, Applied):
                return now
            return self._what_is_there(action, now, lambda: self._applier.begin_delete(action, now))

        if self._applier.changes_at_finish(action.reference):
            applied = self._what_is_there(
                action, target, lambda: self._applier.begin_delete(action, target)
            )
            begun = replace(begun, saved=saved)
        else:
            entry, applied = self._entries.before(action, saved, begin)
            begun = replace(begun, entry=entry)
        if applied is not None:
            return self._with_referrer(action, target, applied)
        self._behind.put(repository, begun, self._finish, turn.pop_all().close)
        return None

    def _finish(self, deletes: Sequence[Begun]) -> None:
        """Finish deletes of one repository that were begun, and record how each ended."""
        place = deletes[0].action.reference
        tags = {begun.action.tag: begun.target.digest for begun in deletes}
        refused: Mapping[Tag, RegbotError]
        try:
            if self._applier.changes_at_finish(place):
                self._applier.stop.check()
                deletes = self._entries.begin_all(deletes)
            refused = self._applier.finish_deletes(place, tags)
        except RegbotError as error:
            refused = dict.fromkeys(tags, error)
        except Exception as error:  # noqa: BLE001 - no delete is lost by a defect
            refused = dict.fromkeys(tags, InternalError(error))
        ends = [(begun, self._end_of(begun, refused.get(begun.action.tag))) for begun in deletes]
        self._entries.end_all([(begun.entry, end) for begun, end in ends])
        for begun, end in ends:
            if isinstance(end, Applied):
                applied = self._with_referrer(begun.action, begun.target, end)
                self._record.end(begun.action, applied, begun.evidence)
            else:
                self._failures.append(end)
                self._record.failure(begun.action, end, begun.evidence)

    def _end_of(self, begun: Begun, failure: RegbotError | None) -> Applied | RegbotError:
        """How a delete ended; a tag that moved or went while its delete waited is no failure."""
        if failure is None:
            return Applied(begun.target.digest)
        if not isinstance(failure, DigestMismatch | NotFound):
            return failure
        try:
            now = self._looks.again(begun.action, begun.target)
        except RegbotError:
            return failure
        return now if isinstance(now, Applied) else failure

    def _looked_again(self, action: Delete, target: Target) -> Target | Applied:
        """The target, or what another look says where the first one is not fresh any more."""
        is_due = self._closely and not self._record.dry_run and not self._looks.is_fresh(target)
        if isinstance(action, DeleteTag) and is_due:
            return self._looks.again(action, target)
        return target

    def _what_is_there(
        self, action: Delete, target: Target, delete: Callable[[], A]
    ) -> A | Applied:
        """Delete what was seen; what moved or went in this very moment is no failure.

        A tag that came to be on a placeholder meanwhile is being deleted by another run,
        or was left so: it is deleted from there.
        """
        try:
            return delete()
        except (DigestMismatch, NotFound):
            now = self._looks.again(action, target)
            if isinstance(now, Applied):
                return now
            if now.on in (now.digest, target.on):
                raise
        return self._what_is_there(action, now, lambda: self._applier.delete(action, now))

    def _with_referrer(self, action: Delete, target: Target, applied: Applied) -> Applied:
        """The same, and whether the untagged manifest is no longer listed as a referrer."""
        is_plain = applied.status == "done" and not applied.detail
        if not (is_plain and self._entries.journal and isinstance(action, DeleteTag)):
            return applied
        try:
            subject = target.store.manifest(target.digest).subject
            listed = target.store.referrers(subject.digest) if subject else []
        except RegbotError:
            return applied
        if subject is None or target.digest in [referrer.digest for referrer in listed]:
            return applied
        detail = f"without its tag it is not listed as a referrer of {subject.digest}"
        return replace(applied, detail=detail)
