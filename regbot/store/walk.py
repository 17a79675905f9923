"""In which order a script walks a list, learned from the names it asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from regbot.errors import InvalidValue

_LEARNED_AT_ONCE = 50
"""Names between two that were asked for, from which it is learned what a script skips."""
_LONGEST_GAP = 5000
_SETTLED = 8
"""Right guesses in a row after which no other order is considered."""
_MOST_VERSIONS = 20_000
"""A longer list is not sorted by version, which would take too long."""

_BEGINNING = re.compile(r"[A-Za-z]*[-_./]?")
_NUMBER = re.compile(r"\d+")
_PLAIN_VERSION = re.compile(r"v?\d+(\.\d+)*", re.ASCII)

N = TypeVar("N", bound=str)
"""Names of a kind: tags, or repositories."""

Trait = tuple[str, str]


class Filter:
    """Which names a script passes over, as far as the names themselves tell."""

    def __init__(self) -> None:
        self._asked: set[Trait] = set()
        self._skipped: set[Trait] = set()

    def asked(self, name: str) -> None:
        """The script asked for a name."""
        self._asked.update(_traits(name))

    def skipped(self, name: str) -> None:
        """The script passed over a name."""
        self._skipped.update(_traits(name))

    def skips(self, name: str) -> bool:
        """Whether a name is like one that was passed over, and like none that was asked for."""
        if not self._skipped:
            return False
        return not self._asked.issuperset(self._skipped.intersection(_traits(name)))


def _traits(name: str) -> tuple[Trait, ...]:
    """What patterns go by: the beginning, what follows the last hyphen, a version or not."""
    beginning = _BEGINNING.match(name)
    _, hyphen, end = name.rpartition("-")
    return (
        ("begins", beginning[0] if beginning else ""),
        ("ends", _NUMBER.sub("0", end) if hyphen else ""),
        ("version", "plain" if _PLAIN_VERSION.fullmatch(name) else ""),
    )


class Order(Generic[N]):
    """One order of a list, and how well it foretells the next name.

    ``places`` are the positions in ``names``; ``step`` is 1, or -1 for the way back.
    ``streak`` counts right guesses in a row.
    """

    def __init__(self, names: Sequence[N], places: Mapping[N, int], step: int) -> None:
        self._names = names
        self.places = places
        self._step = step
        self._filter = Filter()
        self._before_first = -1 if step > 0 else len(names)
        self._at = self._before_first
        self._foretold = self._before_first
        self.streak = 0

    def begin(self, name: N) -> None:
        """The walk begins, or goes on, at a name, wherever that is."""
        self._at = self.places.get(name, self._before_first)
        self._foretold = self._at
        self._filter.asked(name)
        self.streak = 0

    def meet(self, name: N) -> None:
        """A name is asked for: the next one in this order, or not."""
        place = self.places.get(name)
        if place is not None and self._is_next(place):
            self.reach(name)
        else:
            if place is not None and self._at != self._before_first:
                self._learn_skipped(place)
            self.begin(name)

    def reach(self, name: N) -> None:
        """A name that was foretold is asked for, perhaps out of turn."""
        place = self.places.get(name, self._at)
        if self._is_beyond(place, self._at):
            self._learn_skipped(place)
            self._at = place
        if self._is_beyond(place, self._foretold):
            self._foretold = place
        self._filter.asked(name)
        self.streak += 1

    def more(self, count: int) -> list[N]:
        """The next names that were not foretold yet, ``count`` at most."""
        names: list[N] = []
        for _ in range(_LONGEST_GAP):
            place = self._foretold + self._step
            if len(names) >= count or not 0 <= place < len(self._names):
                break
            self._foretold = place
            if not self._filter.skips(self._names[place]):
                names.append(self._names[place])
        return names

    def _is_beyond(self, place: int, other: int) -> bool:
        return (place - other) * self._step > 0

    def _is_next(self, place: int) -> bool:
        """Whether a place lies ahead, and everything before it is passed over."""
        if not 0 < (place - self._at) * self._step <= _LONGEST_GAP:
            return False
        between = range(self._at + self._step, place, self._step)
        return all(self._filter.skips(self._names[n]) for n in between)

    def _learn_skipped(self, place: int) -> None:
        for n in range(self._at + self._step, place, self._step)[:_LEARNED_AT_ONCE]:
            self._filter.skipped(self._names[n])


class Walk(Generic[N]):
    """A script's way through one list: as listed, backwards, or by version, either way.

    ``habit`` is the ``way`` through the list before, and taken to be the one through this.
    """

    def __init__(self, names: Sequence[N], habit: int | None = None) -> None:
        self._names = names
        self._orders = _both_ways(names)
        self._places = self._orders[0].places
        self._last: N | None = None
        if habit is not None and habit >= len(self._orders):
            self._orders += _both_ways(_by_version(names))
        self._assumed = habit is not None
        self._best = self._orders[habit or 0]

    @property
    def way(self) -> int | None:
        """The number of the order that was right the last time; None where none was."""
        return self._orders.index(self._best) if self._best.streak else None

    def lists(self, name: N) -> bool:
        """Whether a name is on the list."""
        return name in self._places

    def meet(self, name: N) -> bool:
        """Whether a name that was not handed out by ``more`` was to be expected all the same."""
        last, self._last = self._last, name
        if last is None and not self._assumed:
            for order in self._orders:
                order.begin(name)
            return False
        is_settled = self._best.streak >= _SETTLED
        for order in [self._best] if is_settled else self._orders:
            order.meet(name)
        if is_settled and not self._best.streak:
            for order in self._orders:
                order.begin(name)
        if last is not None and len(self._orders) == 2 and not self._is_foretold():
            self._consider_versions(last, name)
        return self._is_foretold()

    def reach(self, name: N) -> None:
        """A name that ``more`` handed out is asked for."""
        self._last = name
        self._best.reach(name)

    def more(self, count: int) -> list[N]:
        """The names to come that were not handed out yet, ``count`` at most."""
        return self._best.more(count)

    def _is_foretold(self) -> bool:
        """Whether any order was right; the one that was right most often is believed."""
        best = max(self._orders, key=lambda order: order.streak)
        if best.streak > self._best.streak:
            self._best = best
        return self._best.streak > 0

    def _consider_versions(self, last: N, name: N) -> None:
        orders = _both_ways(_by_version(self._names))
        for order in orders:
            order.begin(last)
            order.meet(name)
        self._orders += orders


def _both_ways(names: Sequence[N]) -> list[Order[N]]:
    places = {name: n for n, name in enumerate(names)}
    return [Order(names, places, 1), Order(names, places, -1)]


def _by_version(names: Sequence[N]) -> list[N]:
    """The names that are versions, the oldest first; none of a list that is too long."""
    from regbot.oci.versions import TagVersion

    versions: list[tuple[TagVersion, N]] = []
    for name in names if len(names) <= _MOST_VERSIONS else ():
        try:
            versions.append((TagVersion.parse(name), name))
        except InvalidValue:
            continue
    versions.sort(key=lambda found: found[0].order)
    return [name for _, name in versions]
