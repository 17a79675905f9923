"""Who may change a repository when several calls, or several scripts, do so at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import field
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
from regbot.values import dataclass

Change = Literal["puts", "deletes", "alone"]
"""``alone``: what is planned on what is there, so nothing else may change."""

Hurry = Callable[[], None]
"""Asks who has a turn not to keep it longer than needed. Returns at once."""

_LOOK_FOR_STOP = 0.2


def in_no_hurry() -> None:
    """Who has a turn for one call alone gives it back as soon as can be."""


@dataclass(slots=True)
class _Traffic:
    """What goes on in one repository, how to hurry those who do it, and who waits, in order."""

    change: Change = "puts"
    busy: list[Hurry] = field(default_factory=list)
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
    """Puts go together, and so do deletes, but not with one another; ``alone`` is with none.

    A delete rests on a look at what is tagged and used, and a plan on what a guard has
    counted, which another change in the meantime would make wrong.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._traffic: dict[Reference, _Traffic] = {}

    @contextmanager
    def at(
        self, repository: Reference, change: Change, stop: Stop, hurry: Hurry = in_no_hurry
    ) -> Iterator[None]:
        """The turn for a change; waits for it until ``stop``. Raises Stopped and ScriptTimeout.

        ``hurry`` is called when somebody waits for the turn to end.
        """
        with self._changed:
            traffic = self._traffic.setdefault(repository, _Traffic())
            self._wait(traffic, change, stop)
            traffic.change = change
            traffic.busy.append(hurry)
        try:
            yield
        finally:
            with self._changed:
                traffic.busy.remove(hurry)
                self._changed.notify_all()

    @contextmanager
    def alone(self, repositories: Iterable[Reference], stop: Stop) -> Iterator[None]:
        """Have all these repositories to oneself.

        Everybody waits for them in the same order, so that no two wait for one another.
        Raises as ``at`` does.
        """
        with ExitStack() as turns:
            for repository in sorted(set(repositories), key=str):
                turns.enter_context(self.at(repository, "alone", stop))
            yield

    def _wait(self, traffic: _Traffic, change: Change, stop: Stop) -> None:
        """Wait until the change fits, and those that came before have begun."""
        ticket = object()
        traffic.queue.append(ticket)
        try:
            while traffic.queue[0] is not ticket or not self._fits(traffic, change):
                stop.check()
                for hurry in set(traffic.busy):
                    hurry()
                self._changed.wait(_LOOK_FOR_STOP)
        finally:
            traffic.queue.remove(ticket)
            self._changed.notify_all()

    @staticmethod
    def _fits(traffic: _Traffic, change: Change) -> bool:
        return not traffic.busy or traffic.change == change != "alone"
