"""Parts of a plan that can be carried out apart from one another, in any order.

All that is about one repository stays together and in its order, and so does what a copy
reads with what it writes, an archive that is written with one that is read. After a write,
the rest of the same script's plan stays with it: a delete may rest on a copy to somewhere
else, and where that fails nothing further is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from regbot.oci.reference import Reference
from regbot.plan.action import (
    Action,
    CopyImage,
    DeleteManifest,
    DeleteTag,
    ExportTar,
    ImportTar,
    PutBlob,
)
from regbot.plan.carrying import Planned

_Thing = Reference | Path | str
"""A repository, an archive, or all that a script does after its first write."""


def parts_of(
    plan: Sequence[Planned], repository_of: Callable[[Reference], Reference]
) -> list[tuple[Planned, ...]]:
    """The parts, by their first actions. ``repository_of`` gives the name to compare by."""
    joined = _Joined()
    writing: set[str] = set()
    of_actions: list[_Thing] = []
    for planned in plan:
        things = list(_things(planned.action, repository_of))
        if not isinstance(planned.action, DeleteTag | DeleteManifest):
            writing.add(planned.script)
        if planned.script in writing:
            things.append(planned.script)
        for other in things[1:]:
            joined.join(things[0], other)
        of_actions.append(things[0])
    parts: dict[_Thing, list[Planned]] = {}
    for planned, thing in zip(plan, of_actions, strict=True):
        parts.setdefault(joined.root(thing), []).append(planned)
    return list(map(tuple, parts.values()))


def _things(action: Action, repository_of: Callable[[Reference], Reference]) -> Iterator[_Thing]:
    """What an action reads or changes, first the repository that it is about."""
    yield repository_of(action.reference)
    match action:
        case CopyImage(source=source):
            yield repository_of(source)
        case PutBlob(source=source) if source:
            yield repository_of(source)
        case ExportTar(path=path) | ImportTar(path=path):
            yield path


class _Joined:
    """Things in groups; who joins two joins their groups."""

    def __init__(self) -> None:
        self._above: dict[_Thing, _Thing] = {}

    def root(self, thing: _Thing) -> _Thing:
        """The thing that stands for its group."""
        while (above := self._above.get(thing, thing)) != thing:
            self._above[thing] = self._above.get(above, above)
            thing = above
        return thing

    def join(self, thing: _Thing, other: _Thing) -> None:
        """Make one group of both."""
        self._above[self.root(other)] = self.root(thing)
