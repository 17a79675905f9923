"""Which workers may change one repository, and which wait for that, as a value."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from typing import Literal, get_args

from regbot.errors import InvalidValue
from regbot.plan.turns import Change
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class Claims:
    """The workers that ``have`` the repository, all for one kind of change, and who waits.

    ``waiting`` are workers and what they want to do, in the order in which they came.
    """

    change: Change = "puts"
    have: tuple[str, ...] = ()
    waiting: tuple[tuple[str, Change], ...] = ()

    @property
    def workers(self) -> frozenset[str]:
        """All that have something to do with the repository."""
        return frozenset((*self.have, *(worker for worker, _ in self.waiting)))

    def without(self, workers: Collection[str]) -> Claims:
        """The same when these have gone, or have died."""
        have = tuple(worker for worker in self.have if worker not in workers)
        waiting = tuple(each for each in self.waiting if each[0] not in workers)
        return replace(self, have=have, waiting=waiting)

    def asked_by(self, worker: str, change: Change) -> Claims:
        """The same when a worker that has no claim wants one: it has it, or it waits.

        Nobody is overtaken but by who does what those before it want to do, too.
        """
        places = [place for place, (other, _) in enumerate(self.waiting) if other == worker]
        before = self.waiting[: places[0]] if places else self.waiting
        is_next = all(change == wanted != "alone" for _, wanted in before)
        if is_next and (not self.have or self.change == change != "alone"):
            left = self.without((worker,))
            return replace(left, change=change, have=(*left.have, worker))
        if places:
            return self
        return replace(self, waiting=(*self.waiting, (worker, change)))

    def to_text(self) -> str:
        """As it is kept."""
        return json.dumps({"change": self.change, "have": self.have, "waiting": self.waiting})

    @classmethod
    def from_text(cls, text: str) -> Claims:
        """As it was kept. Raises InvalidValue."""
        try:
            data = json.loads(text)
            waiting = tuple((str(worker), _change(change)) for worker, change in data["waiting"])
            return cls(_change(data["change"]), tuple(map(str, data["have"])), waiting)
        except (ValueError, LookupError, TypeError) as error:
            raise InvalidValue(f"these are no claims of workers: {error}") from None


def _change(text: object) -> Change:
    for change in get_args(Change):
        if text == change:
            known: Literal["puts", "deletes", "alone"] = change
            return known
    raise ValueError(text)
