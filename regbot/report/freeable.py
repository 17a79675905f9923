"""How many bytes only the deleted tags used, which garbage collection could free.

A registry stores a blob once for all its repositories, so blobs that a remaining tag
uses, in any repository of the run on that registry, don't count. A client can't see
untagged manifests, nor repositories that the run did not touch; a report says so and
doesn't guess. So the number is an upper bound and not a promise.

Registries differ in what they collect. distribution 2.8 removes untagged manifests
only with ``--delete-untagged``, which also removes the children of an index that is
kept, unless each child has a tag of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from regbot.errors import NotFound, RegbotError
from regbot.image.crew import Crew
from regbot.image.usage import held_by, tagged
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.evidence import Evidence
from regbot.stopping import Stop
from regbot.store.protocol import ReadStore, ReadStores
from regbot.values import dataclass

UNTAGGED = (
    "untagged manifests can't be listed; the layers they use stay until the manifests are deleted"
)
ELSEWHERE = "repositories that this run did not look at may use the same layers"
_WORKERS = 16
"""Manifests read at once, as far as the host's limit allows."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The blobs that the remaining tags of a repository use.

    ``tags`` is the number of tags, None if they can't be listed. ``problem`` says why
    ``blobs`` is incomplete.
    """

    tags: int | None = None
    blobs: frozenset[Digest] = frozenset()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Freed:
    """Bytes that could be freed, None if unknown, and the reasons why they are unknown."""

    size: int | None
    unknown: tuple[str, ...] = ()


def read_kept(stores: ReadStores, repository: Reference, stop: Stop) -> Kept:
    """Read every tag that a repository has now. Never raises."""
    try:
        store = stores.open(repository)
        tags = _tags(store)
    except RegbotError as error:
        return Kept(problem=f"the remaining tags can't be listed: {error}")
    try:
        crew = Crew(_WORKERS, stop)
        roots = tagged(store, tags, crew).values()
        return Kept(len(tags), frozenset(held_by(store, roots, crew)))
    except RegbotError as error:
        return Kept(len(tags), problem=f"the remaining tags can't be read: {error}")


def _tags(store: ReadStore) -> list[Tag]:
    try:
        return store.tags()
    except NotFound:
        return []


@dataclass(slots=True)
class Accounts:
    """The blobs of one registry or layout folder.

    ``kept`` has an entry for every repository there that the run touched.
    """

    kept: Mapping[Reference, Kept]
    _counted: set[Digest] = field(default_factory=set)

    def settle(self, repository: Reference, deleted: Iterable[Evidence | None]) -> Freed:
        """The bytes that could be freed in a repository.

        Each blob is counted once over all calls.
        """
        evidences = list(deleted)
        if not evidences:
            return Freed(0)
        problems = [*_unread(evidences), *self._blind(repository)]
        if problems:
            return Freed(None, tuple(problems))
        sizes: dict[Digest, int] = {}
        for evidence in filter(None, evidences):
            sizes.update(evidence.blobs)
        staying = frozenset().union(*(kept.blobs for kept in self.kept.values()))
        only = sizes.keys() - staying - self._counted
        self._counted |= only
        return Freed(sum(sizes[digest] for digest in only), tuple(self._limits(repository)))

    def _blind(self, repository: Reference) -> list[str]:
        problem = self.kept[repository].problem
        return [problem] if problem else []

    def _limits(self, repository: Reference) -> Iterable[str]:
        yield UNTAGGED
        if repository.scheme == "registry":
            yield ELSEWHERE
        for other, kept in self.kept.items():
            if kept.problem and other != repository:
                yield f"{other} may use the same layers: {kept.problem}"


def _unread(evidences: list[Evidence | None]) -> list[str]:
    """Why the blobs of deleted images are unknown, in one line for all of them."""
    problems = [
        evidence.problem if evidence else "it was not read before it was deleted"
        for evidence in evidences
        if evidence is None or evidence.problem
    ]
    if not problems:
        return []
    count = len(problems)
    what = "a deleted image" if count == 1 else f"{count} deleted images"
    return [f"the layers of {what} are unknown: {problems[0]}"]
