"""What a run's journal offers to those who change something."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, Protocol

from regbot.events import Emit
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.plan.action import Action
from regbot.plan.look import Target
from regbot.stopping import Stop

Ended = Literal["done", "unchanged", "skipped", "failed", "stopped"]


class Recorder(Protocol):
    """The journal of one run. Threads may share it."""

    def begin(
        self, script: str, action: Action, target: Target | None, *, stop: Stop, emit: Emit
    ) -> int:
        """Note an action, and keep what a delete takes: its ``target``, and what refers to it.

        When this returns the entry, whose id comes back, is on the disk. Raises
        StorageError, and what reading the target raises: then the action must not happen.
        """
        ...

    def end(self, entry: int, status: Ended, detail: str = "") -> None:
        """Say what became of an entry. Raises StorageError."""
        ...

    def needed(self, repository: Reference) -> Collection[Digest]:
        """What a clean-up of a layout folder has to spare, so that the run can be undone."""
        ...
