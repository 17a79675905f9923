"""The one door to writes: every action passes through an Executor.

Live, its applier holds the real stores. In a dry run it holds overlays, which
nothing leads out of, so a dry run can't leak; and later reads see its effect.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from typing import TypeVar

from regbot.errors import DigestMismatch, InternalError, NotFound, RegbotError
from regbot.events import Emit
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import Action, Delete, DeleteManifest, DeleteTag, Write
from regbot.plan.apply import Applier
from regbot.plan.behind import Begun, Behind
from regbot.plan.entries import Entries
from regbot.plan.evidence import Evidence, gather
from regbot.plan.foreseen import Finding, Foreseen
from regbot.plan.guard import Guard
from regbot.plan.look import Looks, Target
from regbot.plan.outcome import ActionDone, Applied, Outcome, Outcomes, Status
from regbot.plan.recorder import Recorder
from regbot.plan.turns import Change, change_of
from regbot.stopping import ended_by
from regbot.store.overlay import Overlay
from regbot.store.protocol import ReadStore
from regbot.values import dataclass

A = TypeVar("A", Applied, Applied | None)

_NOT_AFTER_A_MISSED_STEP = "an earlier step of the same removal was not done"


@dataclass(frozen=True, slots=True)
class Terms:
    """How actions are carried out.

    ``guard.protect`` holds at the door; in a dry run the plan is judged as a whole
    instead. ``journal`` keeps what was done; without it nothing is kept. ``evidence``:
    what is known of a delete is kept for reports and guards; with ``contents`` what it
    takes away is read for that, and the tags of each repository are counted.
    """

    dry_run: bool = False
    guard: Guard = Guard()
    journal: Recorder | None = None
    evidence: bool = False
    contents: bool = True


class Executor:
    """Applies one script's actions, keeps what became of them, and says so.

    ``behind`` has the deletes of the session that are not finished.
    """

    def __init__(
        self,
        script: str,
        applier: Applier,
        outcomes: Outcomes,
        emit: Emit,
        terms: Terms,
        behind: Behind | None = None,
    ) -> None:
        self._script = script
        self._applier = applier
        self._outcomes = outcomes
        self._emit = emit
        self._terms = terms
        self._behind = behind or Behind()
        self._looks = Looks(
            applier.stores, applier.book, applier.names, terms.guard, dry_run=terms.dry_run
        )
        self._entries = Entries(script, terms.journal, emit, applier.stop)
        self._counted: set[Reference] = set()
        self._counting: dict[Reference, threading.Lock] = {}
        self._unfinished: set[str] = set()
        self._failures: list[RegbotError] = []
        self._foreseen = Foreseen()

    def acting_for(self, script: str, guard: Guard) -> Executor:
        """The same door for the actions of another script, with its guard."""
        terms = replace(self._terms, guard=guard)
        return Executor(script, self._applier, self._outcomes, self._emit, terms, self._behind)

    def reading(self, reference: Reference) -> ReadStore:
        """The reference's repository as the door sees it, never from a mirror."""
        return self._applier.stores.open(reference)

    def repository_of(self, reference: Reference) -> Reference:
        """The reference's repository, by the one of its names to compare by."""
        return self._applier.names(reference)[0]

    def execute(self, action: Action, since: float | None = None) -> Outcome:
        """Apply an action, when it is its turn. Threads may do so at once.

        What fails or is stopped is recorded as that, and raised. After a step of a removal
        that was not done, the later ones are skipped. ``since``: steps of removals share a
        look at all tags that began then or later, by the monotonic clock.
        """
        change = change_of(action)
        if change is None:
            return self._do(action, since)
        self._finish_begun()
        with self._turn(action.reference, change):
            return self._do(action, since)

    def _turn(self, reference: Reference, change: Change) -> AbstractContextManager[None]:
        repository, turns = self.repository_of(reference), self._applier.turns
        return turns.at(repository, change, self._applier.stop, self._behind.hurry)

    def _do(self, action: Action, since: float | None = None) -> Outcome:
        self._finish_begun()
        removal = action.removal if isinstance(action, DeleteTag | DeleteManifest) else ""
        if removal in self._unfinished:
            return self.skip(action, _NOT_AFTER_A_MISSED_STEP)
        evidence: Evidence | None = None
        try:
            if isinstance(action, DeleteTag | DeleteManifest):
                seen = self._looks.before(action, closely=self._closely, since=since)
                evidence = self._evidence(action, seen)
                applied = seen if isinstance(seen, Applied) else self._delete(action, seen)
            else:
                applied = self._entries.around(action, None, lambda: self._write(action))
        except RegbotError as error:
            self._note_unfinished(removal)
            self._record_failure(action, error, evidence)
            raise
        if applied.status == "skipped":
            self._note_unfinished(removal)
        return self._record_end(action, applied, evidence)

    def begin(self, action: DeleteTag) -> None:
        """Delete a tag, and leave the end of it behind; see ``behind``.

        What is refused at once is recorded and raised as by ``execute``, what turns out
        later is recorded then, and raised by ``settle``.
        """
        if self._foresee(action):
            return
        if self._terms.dry_run or action.removal:
            self.execute(action)
            return
        repository = self.repository_of(action.reference)
        with ExitStack() as turn:
            turn.enter_context(self._turn(action.reference, "deletes"))
            with self._behind.beginning(repository, action.tag):
                self._leave_behind(repository, action, turn)

    def _foresee(self, action: DeleteTag) -> bool:
        """Plan the delete of a tag that the script has listed, and look at the tag behind it.

        False where what is planned already, or the registry, asks for a look first.
        """
        if self._applier.planned is None or not action.may_be_gone or action.removal:
            return False
        overlay = self._applier.planned.open(action.reference)
        store = None if overlay.last_tag_takes_manifest else overlay.foresee_delete(action.tag)
        if store is None:
            return False

        def look() -> Finding:
            evidence: Evidence | None = None
            try:
                seen = self._looks.foreseen(store, action, closely=self._closely)
                evidence = self._evidence(action, seen, store)
            except RegbotError as error:
                return partial(self._record_unforeseen, overlay, action, error, evidence)
            if isinstance(seen, Target):
                return partial(self._record_end, action, Applied(seen.digest), evidence)
            if seen.status == "skipped":
                overlay.take_back(action.tag)
            return partial(self._record_end, action, seen, evidence)

        self._foreseen.add(look)
        return True

    def _record_unforeseen(
        self, overlay: Overlay, action: DeleteTag, error: RegbotError, evidence: Evidence | None
    ) -> None:
        overlay.take_back(action.tag)
        self._failures.append(error)
        self._record_failure(action, error, evidence)

    def _leave_behind(self, repository: Reference, action: DeleteTag, turn: ExitStack) -> None:
        evidence: Evidence | None = None
        try:
            seen = self._looks.before(action, closely=self._closely)
            evidence = self._evidence(action, seen)
            if isinstance(seen, Applied):
                applied: Applied | None = seen
            else:
                applied = self._begin(repository, Begun(action, seen, evidence), turn)
        except RegbotError as error:
            self._record_failure(action, error, evidence)
            raise
        if applied is not None:
            self._record_end(action, applied, evidence)

    def settle(self) -> None:
        """Finish the deletes that were begun. Raises the first error of one of the script's."""
        self._finish_begun()
        failures, self._failures = self._failures, []
        for error in failures:
            raise error

    def settle_before(self, reference: Reference, tag: Tag | None = None) -> None:
        """Finish the deletes that were begun, where a read of this tag rests on them.

        Without a tag, a read of all tags of the repository.
        """
        if self._behind.holds(self.repository_of(reference), tag):
            self._behind.settle()

    def close(self) -> None:
        """Finish the deletes that were begun, and begin none any more."""
        self._foreseen.close()
        self._behind.close()

    def skip(self, action: Action, why: str) -> Outcome:
        """Leave an action undone, and say so."""
        return self._record(Outcome(self._script, action, "skipped", action.digest, why))

    def remove(self, reference: Reference, *, children: bool, referrers: bool, reason: str) -> None:
        """Delete a tag, its manifest, and what only that manifest needed.

        What is kept is read where the deletes will go, never from a mirror. Raises what
        ``image.removal.plan_removal`` and ``execute`` raise.
        """
        self._finish_begun()
        with self._turn(reference, "alone"):
            self._finish_begun()
            steps = self._applier.removal(
                reference, children=children, referrers=referrers, reason=reason
            )
            for step in steps:
                self._do(step)

    @property
    def _closely(self) -> bool:
        """Whether what a delete takes is read, to be kept or to be told."""
        terms = self._terms
        return terms.journal is not None or (terms.evidence and terms.contents)

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
                self._record_end(begun.action, applied, begun.evidence)
            else:
                self._failures.append(end)
                self._record_failure(begun.action, end, begun.evidence)

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
        is_due = self._closely and not self._terms.dry_run and not self._looks.is_fresh(target)
        if isinstance(action, DeleteTag) and is_due:
            return self._looks.again(action, target)
        return target

    def _what_is_there(
        self, action: Delete, target: Target, delete: Callable[[], A]
    ) -> A | Applied:
        """Delete what was seen; what moved or went in this very moment is no failure."""
        try:
            return delete()
        except (DigestMismatch, NotFound):
            now = self._looks.again(action, target)
            if isinstance(now, Applied):
                return now
            raise

    def _with_referrer(self, action: Delete, target: Target, applied: Applied) -> Applied:
        """The same, and whether the untagged manifest is no longer listed as a referrer."""
        is_plain = applied.status == "done" and not applied.detail
        if not (is_plain and self._terms.journal and isinstance(action, DeleteTag)):
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

    def _evidence(
        self, action: Delete, seen: Target | Applied, reader: ReadStore | None = None
    ) -> Evidence | None:
        tags = seen.tags if isinstance(seen, Target) and isinstance(action, DeleteManifest) else ()
        if not self._terms.evidence:
            return Evidence(tags=tags, problem="not gathered") if tags else None
        names = self._applier.names(action.reference)
        if not self._terms.contents:
            return Evidence(tags=tags, names=names)
        store = reader or self.reading(action.reference)
        digest = None
        if isinstance(seen, Target):
            store, digest = seen.store, seen.digest

        def gathered(unplanned: ReadStore | None) -> Evidence:
            limit, stop = self._applier.blob_limit, self._applier.stop
            return gather(store, digest, blob_limit=limit, stop=stop, unplanned=unplanned)

        # No delete of a repository goes on before its tags are counted.
        with self._counting.setdefault(names[0], threading.Lock()):
            first = names[0] not in self._counted
            if first:
                evidence = gathered(self._applier.unplanned.open(action.reference))
                self._counted.add(names[0])
        if not first:
            evidence = gathered(None)
        return replace(evidence, tags=tags, names=names)

    def _write(self, action: Write) -> Applied:
        return self._applier.apply(action, self._looks.refuse_overwrite)

    def _finish_begun(self) -> None:
        self._foreseen.settle()
        self._behind.settle()

    def _note_unfinished(self, removal: str) -> None:
        if removal:
            self._unfinished.add(removal)

    def _record_end(self, action: Action, applied: Applied, evidence: Evidence | None) -> Outcome:
        if applied.status == "done":
            self._applier.book.note(action)
        planned = self._terms.dry_run and applied.status == "done"
        status: Status = "planned" if planned else applied.status
        return self._record(
            Outcome(self._script, action, status, applied.digest, applied.detail, evidence)
        )

    def _record_failure(
        self, action: Action, error: RegbotError, evidence: Evidence | None
    ) -> None:
        ended = ended_by(error)
        self._record(Outcome(self._script, action, ended, action.digest, str(error), evidence))

    def _record(self, outcome: Outcome) -> Outcome:
        self._outcomes.add(outcome)
        self._emit(ActionDone(outcome, self._terms.dry_run))
        return outcome
