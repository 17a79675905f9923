"""The order in which deletes that follow one another in a plan are carried out.

Tags go before manifests, parents before what they list, subjects before what refers to
them, and the steps of one removal one after the other: wherever it is broken off, no tag
and no index is left that leads to something deleted. What does not depend on one another
goes at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import field

from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.plan.action import Delete, DeleteTag
from regbot.values import dataclass

Links = Collection[Digest] | None
"""What a manifest lists and refers to; None where that can't be read."""

_NONE = -1


@dataclass(slots=True)
class _Place:
    """The stages of one repository's deletes so far."""

    barrier: int = _NONE
    last: int = _NONE
    last_tag: int = _NONE
    of_removal: dict[str, int] = field(default_factory=dict)
    of_manifest: dict[Digest, int] = field(default_factory=dict)
    of_parents: dict[Digest, int] = field(default_factory=dict)


class Order:
    """Gives each delete of a plan its stage; they are asked for in the order of the plan.

    ``repository_of`` gives a reference's repository by the name to compare by. ``links`` is
    asked for every manifest, by its reference. ``one_by_one``: in such a repository
    removals don't mix.
    """

    def __init__(
        self,
        repository_of: Callable[[Reference], Reference],
        links: Callable[[Reference], Links],
        one_by_one: Callable[[Reference], bool],
    ) -> None:
        self._repository_of = repository_of
        self._links = links
        self._one_by_one = one_by_one
        self._places: dict[Reference, _Place] = {}

    def stage_of(self, action: Delete) -> int:
        """The stage, from 0; all of the earlier ones end before it begins."""
        place = self._places.setdefault(self._repository_of(action.reference), _Place())
        after = {place.barrier, place.of_removal.get(action.removal, _NONE)}
        if action.removal and self._one_by_one(action.reference):
            after.add(place.last)
        if isinstance(action, DeleteTag):
            stage = max(after) + 1
            place.last_tag = max(place.last_tag, stage)
        else:
            stage = self._of_manifest(place, action.reference, action.digest, after)
        if action.removal:
            place.of_removal[action.removal] = stage
        place.last = max(place.last, stage)
        return stage

    def _of_manifest(
        self, place: _Place, reference: Reference, digest: Digest, after: set[int]
    ) -> int:
        """One that can't be read may list anything: what is before it stays before it."""
        links = self._links(reference)
        after |= {place.last_tag, place.of_parents.get(digest, _NONE)}
        after |= {place.of_manifest.get(link, _NONE) for link in links or ()}
        if links is None:
            after.add(place.last)
        stage = max(after) + 1
        if links is None:
            place.barrier = stage
        place.of_manifest[digest] = max(place.of_manifest.get(digest, _NONE), stage)
        for link in links or ():
            place.of_parents[link] = max(place.of_parents.get(link, _NONE), stage)
        return stage
