"""Who may change a repository when several calls of one script do so at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from regbot.oci.reference import Reference
from regbot.plan.action import (
    Action,
    CopyImage,
    DeleteManifest,
    DeleteTag,
    ImportTar,
    PutManifest,
)
from regbot.stopping import Stop

Change = Literal["puts", "deletes", "removal"]
"""``removal`` is all of an image's: it is planned on what is there, so nothing may change."""

_LOOK_FOR_STOP = 0.2


@dataclass(slots=True)
class _Place:
    """What goes on in one repository, how many do it, and who waits, in order."""

    change: Change = "puts"
    busy: int = 0
    queue: deque[object] = field(default_factory=deque)


def change_of(action: Action) -> Change | None:
    """The kind of change that an action is; None for one that moves and takes no manifest."""
    match action:
        case DeleteTag() | DeleteManifest():
            return "deletes"
        case PutManifest() | CopyImage() | ImportTar():
            return "puts"
    return None


class Turns:
    """Puts go together, and so do deletes, but not with one another; a removal goes alone.

    A delete rests on a look at what is tagged and used, which a put in the meantime would
    make wrong. ``stop`` ends who waits.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._changed = threading.Condition()
        self._places: dict[Reference, _Place] = {}

    @contextmanager
    def at(self, repository: Reference, change: Change) -> Iterator[None]:
        """The turn for a change; waits for it. Raises Stopped and ScriptTimeout."""
        with self._changed:
            place = self._places.setdefault(repository, _Place())
            self._wait(place, change)
            place.change = change
            place.busy += 1
        try:
            yield
        finally:
            with self._changed:
                place.busy -= 1
                self._changed.notify_all()

    def _wait(self, place: _Place, change: Change) -> None:
        """Wait until the change fits, and those that came before have begun."""
        ticket = object()
        place.queue.append(ticket)
        try:
            while place.queue[0] is not ticket or not self._fits(place, change):
                self._stop.check()
                self._changed.wait(_LOOK_FOR_STOP)
        finally:
            place.queue.remove(ticket)
            self._changed.notify_all()

    @staticmethod
    def _fits(place: _Place, change: Change) -> bool:
        return not place.busy or place.change == change != "removal"
