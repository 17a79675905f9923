"""The one door to writes: every action passes through an Executor.

Live, its applier holds the real stores. In a dry run it holds overlays, which
nothing leads out of, so a dry run can't leak; and later reads see its effect.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from regbot.errors import DigestMismatch, NotFound, RegbotError, StorageError
from regbot.events import Emit, Message
from regbot.oci.reference import Reference
from regbot.plan.action import Action, Delete, DeleteManifest, DeleteTag, Write
from regbot.plan.apply import Applier
from regbot.plan.evidence import Evidence, gather
from regbot.plan.guard import Guard
from regbot.plan.look import Looks, Target
from regbot.plan.outcome import ActionDone, Applied, Outcome, Status
from regbot.plan.recorder import Recorder
from regbot.plan.turns import Change, change_of
from regbot.stopping import ended_by
from regbot.store.protocol import ReadStore

_NOT_AFTER_A_MISSED_STEP = "an earlier step of the same removal was not done"


class Outcomes:
    """What became of every action, in order; shared by the scripts of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome."""
        with self._lock:
            self._outcomes.append(outcome)

    def withdraw(self, script: str, why: str) -> None:
        """Take back what a dry run of a script planned: it is skipped, and ``why`` tells."""
        with self._lock:
            self._outcomes = [
                replace(outcome, status="skipped", detail=why)
                if outcome.script == script and outcome.status == "planned"
                else outcome
                for outcome in self._outcomes
            ]

    @property
    def all(self) -> tuple[Outcome, ...]:
        """All outcomes so far."""
        with self._lock:
            return tuple(self._outcomes)

    def of(self, script: str) -> tuple[Outcome, ...]:
        """All outcomes of a script so far."""
        return tuple(outcome for outcome in self.all if outcome.script == script)


@dataclass(frozen=True, slots=True)
class Terms:
    """How actions are carried out.

    ``guard.protect`` holds at the door; in a dry run the plan is judged as a whole
    instead. ``journal`` keeps what was done; without it nothing is kept. ``evidence``:
    what a delete takes away is gathered for reports and guards.
    """

    dry_run: bool = False
    guard: Guard = Guard()
    journal: Recorder | None = None
    evidence: bool = False


class Executor:
    """Applies one script's actions, keeps what became of them, and says so."""

    def __init__(
        self, script: str, applier: Applier, outcomes: Outcomes, emit: Emit, terms: Terms
    ) -> None:
        self._script = script
        self._applier = applier
        self._outcomes = outcomes
        self._emit = emit
        self._terms = terms
        self._looks = Looks(
            applier.stores, applier.book, applier.names, terms.guard, dry_run=terms.dry_run
        )
        self._counted: set[Reference] = set()
        self._counting: dict[Reference, threading.Lock] = {}
        self._unfinished: set[str] = set()

    def acting_for(self, script: str, guard: Guard) -> Executor:
        """The same door for the actions of another script, with its guard."""
        terms = replace(self._terms, guard=guard)
        return Executor(script, self._applier, self._outcomes, self._emit, terms)

    def reading(self, reference: Reference) -> ReadStore:
        """The reference's repository as the door sees it, never from a mirror."""
        return self._applier.stores.open(reference)

    def execute(self, action: Action) -> Outcome:
        """Apply an action, when it is its turn. Threads may do so at once.

        What fails or is stopped is recorded as that, and raised. After a step of a removal
        that was not done, the later ones are skipped.
        """
        change = change_of(action)
        if change is None:
            return self._do(action)
        with self._turn(action.reference, change):
            return self._do(action)

    def _turn(self, reference: Reference, change: Change) -> AbstractContextManager[None]:
        return self._applier.turns.at(self._applier.names(reference)[0], change)

    def _do(self, action: Action) -> Outcome:
        removal = action.removal if isinstance(action, DeleteTag | DeleteManifest) else ""
        if removal in self._unfinished:
            return self.skip(action, _NOT_AFTER_A_MISSED_STEP)
        evidence: Evidence | None = None
        try:
            if isinstance(action, DeleteTag | DeleteManifest):
                seen = self._looks.before(action, closely=self._closely)
                evidence = self._evidence(action, seen)
                applied = seen if isinstance(seen, Applied) else self._delete(action, seen)
            else:
                applied = self._recorded(action, None, lambda: self._write(action))
        except RegbotError as error:
            self._note_unfinished(removal)
            ended = ended_by(error)
            self._record(Outcome(self._script, action, ended, action.digest, str(error), evidence))
            raise
        if applied.status == "skipped":
            self._note_unfinished(removal)
        elif applied.status == "done":
            self._applier.book.note(action)
        planned = self._terms.dry_run and applied.status == "done"
        status: Status = "planned" if planned else applied.status
        return self._record(
            Outcome(self._script, action, status, applied.digest, applied.detail, evidence)
        )

    def skip(self, action: Action, why: str) -> Outcome:
        """Leave an action undone, and say so."""
        return self._record(Outcome(self._script, action, "skipped", action.digest, why))

    def remove(self, reference: Reference, *, children: bool, referrers: bool, reason: str) -> None:
        """Delete a tag, its manifest, and what only that manifest needed.

        What is kept is read where the deletes will go, never from a mirror. Raises what
        ``image.removal.plan_removal`` and ``execute`` raise.
        """
        with self._turn(reference, "removal"):
            steps = self._applier.removal(
                reference, children=children, referrers=referrers, reason=reason
            )
            for step in steps:
                self._do(step)

    @property
    def _closely(self) -> bool:
        """Whether what a delete takes is read, to be kept or to be told."""
        return self._terms.journal is not None or self._terms.evidence

    def _delete(self, action: Delete, target: Target) -> Applied:
        """Save what a delete takes away, where there is a journal, and delete that alone."""

        def delete() -> Applied:
            if isinstance(action, DeleteTag) and self._closely and not self._terms.dry_run:
                now = self._looks.again(action, target)
                return now if isinstance(now, Applied) else self._delete_at(action, now)
            return self._delete_at(action, target)

        return self._with_referrer(action, target, self._recorded(action, target, delete))

    def _delete_at(self, action: Delete, target: Target) -> Applied:
        """Delete what was seen; what moved or went in this very moment is no failure."""
        try:
            return self._applier.delete(action, target)
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

    def _evidence(self, action: Delete, seen: Target | Applied) -> Evidence | None:
        tags = seen.tags if isinstance(seen, Target) and isinstance(action, DeleteManifest) else ()
        if not self._terms.evidence:
            return Evidence(tags=tags, problem="not gathered") if tags else None
        names = self._applier.names(action.reference)
        store = seen.store if isinstance(seen, Target) else self.reading(action.reference)
        digest = seen.digest if isinstance(seen, Target) else None

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

    def _recorded(
        self, action: Action, target: Target | None, apply: Callable[[], Applied]
    ) -> Applied:
        """Apply an action between two lines of the journal.

        The first is on the disk before anything happens, or nothing happens.
        """
        journal = self._terms.journal
        if journal is None:
            return apply()
        entry = journal.begin(
            self._script, action, target, stop=self._applier.stop, emit=self._emit
        )
        try:
            applied = apply()
        except RegbotError as error:
            journal.end(entry, ended_by(error), str(error))
            raise
        try:
            journal.end(entry, applied.status, applied.detail)
        except StorageError as error:
            text = f"done, but the journal could not be updated: {error}"
            self._emit(Message("warn", text, {"script": self._script}))
        return applied

    def _note_unfinished(self, removal: str) -> None:
        if removal:
            self._unfinished.add(removal)

    def _record(self, outcome: Outcome) -> Outcome:
        self._outcomes.add(outcome)
        self._emit(ActionDone(outcome, self._terms.dry_run))
        return outcome
