"""Undoes a run: puts back the manifests and tags it deleted, the newest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from regbot.errors import InvalidValue, NotFound, RegbotError
from regbot.events import Emit, Ending, Level, Message, ignore
from regbot.journal.journal import Journal
from regbot.journal.records import ActionRecord
from regbot.journal.restore import Restoring, Undone, UndoStatus, names_of
from regbot.journal.slot import JournalSettings, JournalSlot
from regbot.oci.manifest import Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import DeleteManifest, DeleteTag, PutManifest
from regbot.plan.executor import Executor, Terms
from regbot.plan.session import Session
from regbot.stopping import Stop, ended_by
from regbot.store.layout import absolute
from regbot.values import dataclass

_DELETES = (DeleteTag.verb, DeleteManifest.verb)
_LEVELS: dict[UndoStatus, Level] = {"failed": "error", "stopped": "warn", "skipped": "warn"}

Door = Callable[[Terms], AbstractContextManager[Session]]
"""Opens the stores and the executor of an undo."""

_Chosen = list[tuple[ActionRecord, list[Tag]]]


def undo(
    journal: Journal,
    run_id: str,
    open_door: Door,
    *,
    tags: Sequence[str] = (),
    dry_run: bool = False,
    stop: Stop,
    emit: Emit = ignore,
    undo_id: str = "",
) -> list[Undone]:
    """Put back what a run deleted; this is a run of its own in the journal, ``undo_id``.

    ``tags`` are the only ones to put back, as names or as full references. Whether a
    delete that was begun or failed took place is seen from what is there now. What
    fails is in the result, and so is what was left when the run had to stop. In a dry
    run nothing is recorded, and what would be put back is planned. Raises NotFound for
    a run or tag that is not in the journal, InvalidValue for a beginning that fits
    several runs, and StorageError.
    """
    run = journal.run(run_id)
    chosen = _chosen(journal.actions(run.id), tags, run.id)
    settings = JournalSettings(None, None, run.config, run.fingerprint)
    slot = None if dry_run else JournalSlot(settings, "undo", journal, run_id=undo_id)
    results: list[Undone] = []
    with open_door(Terms(dry_run=dry_run, journal=slot)) as session:
        work = _Undoing(journal, session.executor, run.id, stop, dry_run)
        for action, own_tags in chosen:
            for undone in work.undo(action, own_tags):
                emit(_message(undone, dry_run=dry_run))
                results.append(undone)
    if slot:
        slot.finish(ending(results))
    return results


def ending(results: Sequence[Undone]) -> Ending:
    """How an undo ended, by what became of its parts."""
    statuses = {undone.status for undone in results}
    return "failed" if "failed" in statuses else "stopped" if "stopped" in statuses else "done"


@dataclass(frozen=True, slots=True)
class _Undoing:
    journal: Journal
    executor: Executor
    run: str
    stop: Stop
    dry_run: bool

    def undo(self, action: ActionRecord, tags: list[Tag]) -> list[Undone]:
        """Undo one action; what fails is in the result."""
        if action.verb not in _DELETES:
            return [Undone(action.reference, "skipped", f"{action.verb} is not undone")]
        names = names_of(action, tags)
        if reason := self.stop.reason():
            detail = f"{reason}, before its turn"
            return [Undone(name, "stopped", detail) for name in names]
        try:
            store = self.executor.reading(action.reference)
            work = Restoring(action, store, self.journal.manifest, self._put, self.stop)
            results = work.run(tags)
        except RegbotError as error:
            status = ended_by(error)
            return [Undone(name, status, str(error), action.digest) for name in names]
        return [_planned(undone) for undone in results] if self.dry_run else results

    def _put(self, reference: Reference, manifest: Manifest) -> None:
        self.executor.execute(PutManifest(reference, manifest, f"undo of {self.run}"))


def _chosen(actions: Sequence[ActionRecord], tags: Sequence[str], run: str) -> _Chosen:
    """The actions to undo, the newest first, each with those of its tags."""
    possible = [action for action in reversed(actions) if _may_have_changed(action)]
    if not tags:
        return [(action, list(action.tags)) for action in possible]
    by_text = {text: _names(text) for text in tags}
    used: set[str] = set()
    chosen: _Chosen = []
    for action in possible:
        own_tags: list[Tag] = []
        for tag in action.tags:
            called = {tag, str(action.reference.with_tag(tag))}
            fitting = {text for text, names in by_text.items() if names & called}
            used |= fitting
            own_tags += [tag] if fitting else []
        chosen += [(action, own_tags)] if own_tags else []
    for text in tags:
        if text not in used:
            raise NotFound(f"run {run} deleted no tag {text!r}")
    return chosen


def _may_have_changed(action: ActionRecord) -> bool:
    """Whether there may be something to undo: deletes of what was gone already took nothing."""
    took = bool(action.manifests or action.missing)
    return action.status != "skipped" and (took or action.verb not in _DELETES)


def _names(text: str) -> set[str]:
    """A tag as the user calls it, and as the journal does."""
    try:
        return {text, str(absolute(Reference.parse(text)))} if "/" in text else {text}
    except InvalidValue:
        return {text}


def _planned(undone: Undone) -> Undone:
    return replace(undone, status="planned") if undone.status == "restored" else undone


def _message(undone: Undone, *, dry_run: bool) -> Message:
    fields: dict[str, str | bool] = {"image": str(undone.reference)}
    fields |= {"digest": str(undone.digest)} if undone.digest else {}
    fields |= {"detail": undone.detail} if undone.detail else {}
    fields |= {"dry-run": True} if dry_run else {}
    return Message(_LEVELS.get(undone.status, "info"), f"undo: {undone.status}", fields)
