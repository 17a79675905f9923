"""Which bytes only the deleted tags hold: what garbage collection could free.

A registry keeps a blob once for all its repositories, so what a tag that stays
leads to, in any repository of the run on that registry, is taken out. What can't
be seen by a client is said and never guessed: manifests that no tag leads to, and
repositories that the run did not touch. So the number is the most that can come
back, not a promise.

Registries differ in what they collect. distribution 2.8 takes manifests without a
tag with ``--delete-untagged`` alone, and that also takes the children of an index
that stays, unless each has a tag of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from regbot.errors import NotFound, RegbotError
from regbot.image.crew import Crew
from regbot.image.usage import held_by, tagged
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.evidence import WORKERS, Evidence
from regbot.stopping import Stop
from regbot.store.protocol import ReadStore, ReadStores

UNTAGGED = (
    "manifests that no tag leads to can't be listed: what they hold stays until they are deleted"
)
ELSEWHERE = "repositories that this run did not touch may hold the same layers"
NOT_READ = "the tags that stay were not read"


@dataclass(frozen=True, slots=True)
class Kept:
    """What the tags that stay in a repository hold.

    ``tags`` is how many there are, None when they can't be listed; ``problem`` says
    why ``blobs`` is not all of it.
    """

    tags: int | None = None
    blobs: frozenset[Digest] = frozenset()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Freed:
    """Bytes that could be freed, None when not known, and what is not known about it."""

    size: int | None
    unknown: tuple[str, ...] = ()


def read_kept(stores: ReadStores | None, repository: Reference, stop: Stop) -> Kept:
    """Read every tag that is in a repository now. Nothing is raised."""
    if stores is None:
        return Kept(problem=NOT_READ)
    try:
        store = stores.open(repository)
        tags = _tags(store)
    except RegbotError as error:
        return Kept(problem=f"the tags that stay can't be listed: {error}")
    try:
        crew = Crew(WORKERS, stop)
        roots = tagged(store, tags, crew).values()
        return Kept(len(tags), frozenset(held_by(store, roots, crew)))
    except RegbotError as error:
        return Kept(len(tags), problem=f"what the tags that stay hold can't be read: {error}")


def _tags(store: ReadStore) -> list[Tag]:
    try:
        return store.tags()
    except NotFound:
        return []


@dataclass(slots=True)
class Accounts:
    """The accounts of one registry, or of one layout folder.

    ``kept`` is by repository, of every one that the run touched.
    """

    kept: Mapping[Reference, Kept]
    _counted: set[Digest] = field(default_factory=set)

    def settle(self, repository: Reference, deleted: Iterable[Evidence | None]) -> Freed:
        """What could be freed by what was deleted from a repository.

        Each blob is counted once over all calls.
        """
        found = list(deleted)
        if not found:
            return Freed(0)
        problems = [*_unread(found), *self._blind(repository)]
        if problems:
            return Freed(None, tuple(problems))
        sizes = {digest: size for one in found if one for digest, size in one.blobs.items()}
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
                yield f"{other} may hold the same layers: {kept.problem}"


def _unread(found: list[Evidence | None]) -> list[str]:
    """Why what was deleted is not known, in one line however many there are."""
    problems = [
        one.problem if one else "it was not read before it was deleted"
        for one in found
        if one is None or one.problem
    ]
    if not problems:
        return []
    count = len(problems)
    what = "what a deleted image" if count == 1 else f"what {count} deleted images"
    return [f"{what} held can't be known: {problems[0]}"]
