"""The one door to writes: every action passes through an Executor.

Live, its applier holds the real stores. In a dry run it holds overlays, which
nothing leads out of, so a dry run can't leak; and later reads see its effect.
"""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace

from regbot.errors import RegbotError
from regbot.events import Emit
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import Action, DeleteManifest, DeleteTag, Write
from regbot.plan.apply import Applier
from regbot.plan.behind import Behind
from regbot.plan.deletes import Deletes
from regbot.plan.entries import Entries
from regbot.plan.gathering import Gathering
from regbot.plan.guard import Guard
from regbot.plan.keeping import Keeping
from regbot.plan.look import Looks
from regbot.plan.outcome import Applied, Outcome, Outcomes, Record
from regbot.plan.recorder import Recorder
from regbot.plan.turns import Change, change_of
from regbot.plan.uses import InUse
from regbot.store.protocol import ReadStore
from regbot.values import dataclass

_NOT_AFTER_A_MISSED_STEP = "an earlier step of the same removal was not done"


@dataclass(frozen=True, slots=True)
class Terms:
    """How actions are carried out.

    ``guard.protect`` holds at the door; in a dry run the plan is judged as a whole
    instead. What is ``in_use`` is skipped, in a dry run too. ``journal`` keeps what was
    done; without it nothing is kept. ``evidence``: what is known of a delete is kept for
    reports and guards; with ``contents`` what it takes away is read for that, and the tags
    of each repository are counted.
    """

    dry_run: bool = False
    guard: Guard = Guard()
    in_use: InUse | None = None
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
        self._keeping = Keeping(
            terms.guard, terms.in_use, applier.book, applier.names, applier.stop
        )
        self._looks = Looks(applier.stores, applier.book, self._keeping, dry_run=terms.dry_run)
        self._entries = Entries(script, terms.journal, emit, applier.stop)
        self._record = Record(script, outcomes, emit, applier.book.note, dry_run=terms.dry_run)
        gathering = Gathering(applier, wanted=terms.evidence, contents=terms.contents)
        self._deletes = Deletes(
            applier,
            self._looks,
            self._entries,
            gathering,
            self._record,
            self._behind,
            closely=terms.journal is not None or (terms.evidence and terms.contents),
        )
        self._unfinished: set[str] = set()

    def acting_for(self, script: str, guard: Guard, in_use: InUse | None) -> Executor:
        """The same door for the actions of another script, with its guard."""
        terms = replace(self._terms, guard=guard, in_use=in_use)
        return Executor(script, self._applier, self._outcomes, self._emit, terms, self._behind)

    def keeping(self, outcomes: Outcomes) -> Executor:
        """The same door, with what becomes of its actions kept elsewhere."""
        return Executor(
            self._script, self._applier, outcomes, self._emit, self._terms, self._behind
        )

    def reading(self, reference: Reference) -> ReadStore:
        """The reference's repository as the door sees it, never from a mirror."""
        return self._applier.stores.open(reference)

    def repository_of(self, reference: Reference) -> Reference:
        """The reference's repository, by the one of its names to compare by."""
        return self._applier.names(reference)[0]

    def protects(self, reference: Reference) -> bool:
        """Whether the script's guard protects the reference's tag."""
        tag = reference.tag
        return tag is not None and self._keeping.protection(reference, tag) is not None

    def execute(self, action: Action) -> Outcome:
        """Apply an action, when it is its turn. Threads may do so at once.

        What fails or is stopped is recorded as that, and raised. After a step of a removal
        that was not done, the later ones are skipped.
        """
        change = change_of(action)
        if change is None:
            return self._do(action)
        self._deletes.finish()
        with self._turn(action.reference, change):
            return self._do(action)

    def begin(self, action: DeleteTag) -> None:
        """Delete a tag, and leave the end of it behind; see ``Deletes.begin``."""
        if self._deletes.foresee(action):
            return
        if self._terms.dry_run or action.removal:
            self.execute(action)
            return
        with ExitStack() as turn:
            turn.enter_context(self._turn(action.reference, "deletes"))
            self._deletes.begin(action, turn)

    def remove(
        self, reference: Reference, *, children: bool, referrers: bool, reason: str
    ) -> list[Outcome]:
        """Delete a tag, its manifest, and what only that manifest needed.

        What is kept is read where the deletes will go, never from a mirror. Raises what
        ``image.removal.plan_removal`` and ``execute`` raise.
        """
        self._deletes.finish()
        with self._turn(reference, "alone"):
            self._deletes.finish()
            steps = self._applier.removal(
                reference, children=children, referrers=referrers, reason=reason
            )
            began = time.monotonic()
            return [self._do(step, began) for step in steps]

    def skip(self, action: Action, why: str) -> Outcome:
        """Leave an action undone, and say so."""
        return self._record.end(action, Applied(action.digest, why, "skipped"))

    def settle(self) -> None:
        """Finish the deletes that were begun. Raises the first error of one of the script's."""
        self._deletes.settle()

    def settle_before(self, reference: Reference, tag: Tag | None = None) -> None:
        """Finish the deletes that were begun, where a read of this tag rests on them.

        Without a tag, a read of all tags of the repository.
        """
        self._deletes.settle_before(self.repository_of(reference), tag)

    def close(self) -> None:
        """Finish the deletes that were begun, and begin none any more."""
        self._deletes.close()

    def _turn(self, reference: Reference, change: Change) -> AbstractContextManager[None]:
        repository, turns = self.repository_of(reference), self._applier.turns
        return turns.at(repository, change, self._applier.stop, self._behind.hurry)

    def _do(self, action: Action, since: float = math.inf) -> Outcome:
        """Apply an action now.

        A manifest that is a step of a removal rests on a look at all tags that began at
        ``since`` or later, by the monotonic clock; by default on one of its own.
        """
        self._deletes.finish()
        if not isinstance(action, DeleteTag | DeleteManifest):
            return self._write(action)
        if action.removal in self._unfinished:
            return self.skip(action, _NOT_AFTER_A_MISSED_STEP)
        is_done = False
        try:
            outcome = self._deletes.delete(action, since)
            is_done = outcome.status != "skipped"
        finally:
            if action.removal and not is_done:
                self._unfinished.add(action.removal)
        return outcome

    def _write(self, action: Write) -> Outcome:
        self._record.begin(action)

        def apply() -> Applied:
            return self._applier.apply(action, self._looks.refuse_overwrite)

        try:
            applied = self._entries.around(action, None, apply)
        except RegbotError as error:
            self._record.failure(action, error)
            raise
        return self._record.end(action, applied)
