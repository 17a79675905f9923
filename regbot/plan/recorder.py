"""What a run's journal offers to those who change something."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, Protocol

from regbot.events import Emit
from regbot.oci.digest import Digest
from regbot.oci.manifest import Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import Action
from regbot.plan.look import Target
from regbot.stopping import Stop
from regbot.values import dataclass

Ended = Literal["done", "unchanged", "skipped", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class Saved:
    """All that goes with a delete, as it was read just before.

    ``manifests`` are in the order to put them back: children, the manifest itself,
    then what refers to any of them, each after its own children. ``tags`` are those
    that go. ``missing`` are manifests that were not there any more.
    """

    digest: Digest
    manifests: tuple[Manifest, ...] = ()
    tags: tuple[Tag, ...] = ()
    missing: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True)
class Beginning:
    """An action that a script is about to take, and what a delete takes away."""

    script: str
    action: Action
    saved: Saved | None = None


@dataclass(frozen=True, slots=True)
class End:
    """What became of the action with this entry. ``was_gone`` is that of the outcome."""

    entry: int
    status: Ended
    detail: str = ""
    was_gone: bool = False


class Recorder(Protocol):
    """The journal of one run. Threads may share it."""

    def save(self, target: Target, *, stop: Stop, emit: Emit) -> Saved:
        """Read what a delete takes: its target, and what refers to it.

        Raises what reading raises: then the delete must not happen.
        """
        ...

    def begin(self, actions: Sequence[Beginning]) -> list[int]:
        """Note actions, all together. When the ids of the entries come back, they are on the disk.

        Raises StorageError: then none of the actions must happen.
        """
        ...

    def end(self, ends: Sequence[End]) -> None:
        """Say what became of entries. Raises StorageError."""
        ...

    def needed(self, repository: Reference) -> Collection[Digest]:
        """What a clean-up of a layout folder has to spare, so that the run can be undone."""
        ...
