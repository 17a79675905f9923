"""The one door to writes: every action passes through an Executor.

Live, its applier holds the real stores. In a dry run it holds overlays, which
nothing leads out of, so a dry run can't leak; and later reads see its effect.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from regbot.errors import (
    GuardBroken,
    NotFound,
    NotSupported,
    RegbotError,
    StorageError,
)
from regbot.events import Emit, Message
from regbot.journal.saving import Delete, Saved, save_before
from regbot.journal.slot import JournalSlot
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import Action, DeleteManifest, DeleteTag
from regbot.plan.apply import Applied, Applier
from regbot.plan.evidence import Evidence, gather
from regbot.plan.guard import Guard, Protection
from regbot.plan.outcome import ActionDone, Outcome, Status
from regbot.plan.tagbook import Sure, always
from regbot.stopping import ended_by

NOT_AFTER_A_SKIPPED_STEP = "a step of the same removal before it was not done"


class Ledger:
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
    def outcomes(self) -> tuple[Outcome, ...]:
        """All outcomes so far."""
        with self._lock:
            return tuple(self._outcomes)

    def of(self, script: str) -> tuple[Outcome, ...]:
        """All outcomes of a script so far."""
        return tuple(outcome for outcome in self.outcomes if outcome.script == script)


@dataclass(frozen=True, slots=True)
class Terms:
    """How actions are carried out.

    ``guard.protect`` holds at the door. ``journal`` gives the run's journal when the
    first action comes; without it nothing is kept. ``evidence``: what a delete takes
    away is gathered for reports and guards.
    """

    dry_run: bool = False
    guard: Guard = Guard()
    journal: JournalSlot | None = None
    evidence: bool = False


class Executor:
    """Applies one script's actions, keeps what became of them, and says so."""

    def __init__(
        self, script: str, applier: Applier, ledger: Ledger, emit: Emit, terms: Terms
    ) -> None:
        self._script = script
        self._applier = applier
        self._ledger = ledger
        self._emit = emit
        self._terms = terms
        self._counted: set[Reference] = set()
        self._book = applier.book
        self._used: tuple[str, set[Digest]] = ("", set())

    def acting_for(self, script: str, guard: Guard) -> Executor:
        """The same door for the actions of another script, with its guard."""
        terms = replace(self._terms, guard=guard)
        return Executor(script, self._applier, self._ledger, self._emit, terms)

    def execute(self, action: Action) -> Outcome:
        """Apply an action. What fails or is stopped is recorded as that, and raised."""
        evidence: Evidence | None = None
        try:
            if isinstance(action, DeleteTag | DeleteManifest):
                tags = self._tags_of(action)
                self._refuse_protected(action, tags)
                evidence = self._evidence(action, tags)
                applied = self._kept(action, tags) or self._delete(action, tags)
            else:
                applied = self._journalled(action, None)
        except RegbotError as error:
            ended = ended_by(error)
            self._record(Outcome(self._script, action, ended, action.digest, str(error), evidence))
            raise
        if not applied.skipped:
            self._book.note(action)
        done: Status = "planned" if self._terms.dry_run else "done"
        status: Status = "skipped" if applied.skipped else done
        return self._record(
            Outcome(self._script, action, status, applied.digest, applied.detail, evidence)
        )

    def skip(self, action: Action, why: str) -> Outcome:
        """Leave an action undone, and say so."""
        return self._record(Outcome(self._script, action, "skipped", action.digest, why))

    def removal(
        self, reference: Reference, *, children: bool, referrers: bool, reason: str
    ) -> list[Action]:
        """The actions that delete a tag, its manifest and what only that one needed.

        Nothing is deleted yet. What is kept is read where the actions will go, never
        from a mirror. Raises what ``image.removal.plan_removal`` raises.
        """
        return self._applier.removal(
            reference, children=children, referrers=referrers, reason=reason
        )

    def _tags_of(self, action: Delete) -> tuple[Tag, ...]:
        """The tags that go. Raises NotSupported where none may."""
        if isinstance(action, DeleteTag):
            return (action.tag,)
        store = self._applier.stores.open(action.reference)
        tags = self._book.tags_on(store, action.digest, self._sure(action))
        if tags and action.unless_tagged:
            raise NotSupported(f"{action.reference} is still tagged: {', '.join(tags)}")
        return tags

    def _sure(self, action: DeleteManifest) -> Sure:
        """Which tags are looked at just now: those that could forbid the delete."""
        if action.unless_tagged:
            return always
        repository = action.reference
        return lambda tag: self._protection(repository.with_tag(tag)) is not None

    def _protection(self, reference: Reference) -> Protection | None:
        guard, own = self._terms.guard, self._applier.canonical(reference)
        return guard.protection_of(reference) or guard.protection_of(own)

    def _kept(self, action: Delete, tags: tuple[Tag, ...]) -> Applied | None:
        """Why a manifest is left alone, where something uses it that was not there before."""
        if isinstance(action, DeleteTag):
            return None
        others = sorted(set(tags) - set(tags if action.tags is None else action.tags))
        if others:
            return Applied(action.digest, f"now also tagged: {', '.join(others)}", skipped=True)
        if action.group and not self._terms.dry_run and action.digest in self._in_use(action):
            return Applied(action.digest, "something that is kept uses it now", skipped=True)
        return None

    def _in_use(self, action: DeleteManifest) -> set[Digest]:
        """What the repository's tags lead to, looked at once for a removal's manifests."""
        group, used = self._used
        if group != action.group:
            used = self._book.in_use(self._applier.stores.open(action.reference))
            self._used = (action.group, used)
        return used

    def _delete(self, action: Delete, tags: tuple[Tag, ...]) -> Applied:
        """Save what a delete takes away, where there is a journal, and delete that alone."""
        if not self._terms.journal:
            return self._applier.apply(action)
        store, stop = self._applier.stores.open(action.reference), self._applier.stop
        try:
            saved = save_before(store, action, tags=tags, stop=stop, emit=self._emit)
        except NotFound:
            if not (_may_be_gone(action) and self._applier.is_gone(action)):
                raise
            return Applied(action.digest, "already gone")
        applied = self._journalled(_decided(action, saved), saved)
        return self._with_referrer(action, saved, applied)

    def _with_referrer(self, action: Delete, saved: Saved, applied: Applied) -> Applied:
        """The same, and whether the untagged manifest is no longer listed as a referrer."""
        if applied.skipped or applied.detail or not isinstance(action, DeleteTag):
            return applied
        subjects = [own.subject for own in saved.manifests if own.digest == saved.digest]
        for subject in filter(None, subjects):
            try:
                listed = self._applier.stores.open(action.reference).referrers(subject.digest)
            except RegbotError:
                continue
            if saved.digest not in [referrer.digest for referrer in listed]:
                detail = f"without its tag it is not listed as a referrer of {subject.digest}"
                return replace(applied, detail=detail)
        return applied

    def _refuse_protected(self, action: Delete, tags: tuple[Tag, ...]) -> None:
        for tag in tags:
            reference = action.reference.with_tag(tag)
            protection = self._protection(reference)
            if protection:
                raise GuardBroken(f"protect {protection.text}: {reference} is protected")

    def _evidence(self, action: Delete, tags: tuple[Tag, ...]) -> Evidence | None:
        tags = tags if isinstance(action, DeleteManifest) else ()
        if not self._terms.evidence:
            return Evidence(tags=tags, problem="not gathered") if tags else None
        repository = self._applier.canonical(action.reference.without_name)
        store = self._applier.stores.open(action.reference)
        name = action.tag if isinstance(action, DeleteTag) else action.digest
        found = gather(
            store,
            name,
            blob_limit=self._applier.blob_limit,
            stop=self._applier.stop,
            count_tags=repository not in self._counted,
        )
        self._counted.add(repository)
        return replace(found, tags=tags, repository=repository)

    def _journalled(self, action: Action, saved: Saved | None) -> Applied:
        """Apply an action between two lines of the journal.

        The first is on the disk before anything happens, or nothing happens.
        """
        if self._terms.journal is None:
            return self._applier.apply(action)
        journal = self._terms.journal()
        entry = journal.about_to(self._script, action, saved)
        try:
            applied = self._applier.apply(action)
        except RegbotError as error:
            journal.ended(entry, ended_by(error), str(error))
            raise
        try:
            journal.ended(entry, "skipped" if applied.skipped else "done", applied.detail)
        except StorageError as error:
            text = f"done, but the journal could not note it: {error}"
            self._emit(Message("warn", text, {"script": self._script}))
        return applied

    def _record(self, outcome: Outcome) -> Outcome:
        self._ledger.add(outcome)
        self._emit(ActionDone(outcome, self._terms.dry_run))
        return outcome


def _may_be_gone(action: Delete) -> bool:
    """Whether it is fine to find nothing: the script, or the plan, has seen it there."""
    return action.listed if isinstance(action, DeleteTag) else action.may_be_gone


def _decided(action: Delete, saved: Saved) -> Delete:
    """The action with the digest that was saved: no other may go in its place."""
    if isinstance(action, DeleteTag) and action.digest is None:
        return replace(action, digest=saved.digest)
    return action
