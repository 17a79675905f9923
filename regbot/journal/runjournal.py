"""What one run writes to the journal: an entry before each delete, and how it ended.

An entry is durable before its delete is sent; if it can't be written, StorageError is raised
and the delete must not happen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from regbot.errors import AttemptEnded
from regbot.events import Ending
from regbot.journal.attempts import TAKEN_OVER
from regbot.journal.history import History
from regbot.journal.manifests import Manifests
from regbot.journal.records import ActionRecord, SavedManifest
from regbot.journal.running import Running
from regbot.oci.reference import Reference
from regbot.plan.recorder import Beginning, End
from regbot.stopping import Attempt
from regbot.store.layout import absolute

WallClock = Callable[[], float]
"""Seconds since 1970."""


class RunJournal:
    """Writes the entries of one run; threads may share it.

    ``attempt`` is the attempt at a unit that writes, where the run is divided among workers.
    """

    def __init__(
        self,
        run: str,
        history: History,
        manifests: Manifests,
        running: Running,
        clock: WallClock,
        attempt: Attempt | None = None,
    ) -> None:
        self._attempt = attempt
        self.id = run
        self._history = history
        self._manifests = manifests
        self._running = running
        self._clock = clock

    def begin(self, actions: Sequence[Beginning]) -> list[int]:
        """Write entries for actions, before they are carried out. Returns their ids.

        When this returns, the entries are on the disk. Raises StorageError if they can't
        be written, and AttemptEnded; then none of the actions must be carried out.
        """
        manifests = {
            manifest.digest: manifest
            for action in actions
            if action.saved
            for manifest in action.saved.manifests
        }
        self._manifests.add(manifests.values())
        repositories = {action.action.reference.without_name for action in actions}
        places = {repository: absolute(repository) for repository in repositories}
        records = [self._record_of(action, places) for action in actions]

        def write() -> list[int] | AttemptEnded:
            if ended := self._ended():
                return ended  # raised here, it would end others' work
            # Another process may have removed some of them in the meantime.
            self._manifests.add(
                item for item in manifests.values() if not self._manifests.has(item)
            )
            return [self._history.add_action(record) for record in records]

        written = self._history.together(write)
        if isinstance(written, AttemptEnded):
            raise written
        return written

    def _ended(self) -> AttemptEnded | None:
        """The reason to change nothing any more, if the database knows of one."""
        if self._attempt:
            is_newest = self._history.may_write(self._attempt)
            return None if is_newest else self._attempt.end(TAKEN_OVER)
        return self._running.ended(self.id)

    def _record_of(
        self, beginning: Beginning, places: Mapping[Reference, Reference]
    ) -> ActionRecord:
        """An entry, with its reference by the absolute one of its repository."""
        action, saved = beginning.action, beginning.saved
        reference = action.reference
        place = places[reference.without_name]
        manifests = saved.manifests if saved else ()
        return ActionRecord(
            id=0,
            run=self.id,
            at=self._clock(),
            script=beginning.script,
            verb=action.verb,
            reference=Reference(
                place.scheme, place.registry, place.repository, reference.tag, reference.digest
            ),
            digest=saved.digest if saved else action.digest,
            reason=action.reason,
            status="begun",
            detail="",
            tags=saved.tags if saved else (),
            manifests=tuple(SavedManifest(saved.digest, saved.media_type) for saved in manifests),
            missing=saved.missing if saved else (),
        )

    def end_all(self, ends: Sequence[End]) -> None:
        """Set the outcomes of several entries. One that changed nothing is removed."""

        def write() -> None:
            for end in ends:
                if end.status == "unchanged":
                    self._history.remove_action(end.entry)
                else:
                    self._history.end_action(
                        end.entry, end.status, end.detail, was_gone=end.was_gone
                    )

        self._history.together(write)

    def finish(self, status: Ending) -> bool:
        """Set how the run ended. Returns False if it changed nothing and was removed."""
        kept = self._history.end_run(self.id, status, self._clock())
        self._running.release(self.id)
        return kept
