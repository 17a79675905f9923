"""A look at what a registry holds, bounded, and what a policy would do with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from regbot.config.repositories import named_repositories
from regbot.config.values import Repositories
from regbot.errors import (
    Forbidden,
    InvalidValue,
    NotFound,
    NotSupported,
    RegbotError,
    Unauthorized,
    UsageError,
)
from regbot.oci.reference import DOCKER_HUB, Reference
from regbot.oci.tag import Tag
from regbot.proposal.kinds import Kind, Series, kind_of
from regbot.rules.content import StoreContent
from regbot.rules.deciding import decide
from regbot.rules.policy import Policy
from regbot.stopping import Stop
from regbot.store.protocol import ReadStores
from regbot.values import dataclass

_MOST_REPOSITORIES = 20
_MOST_NAMES = 500
_MOST_READ = 1000
_MOST_READ_OF_HUB = 50
"""Builds whose dates are read: Docker Hub counts each as a pull."""
_SAMPLES: tuple[Kind, ...] = ("moving", "release", "build", "other")


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a repository holds, as far as it was looked at.

    ``has_indexes``: images for several platforms.
    """

    repository: Reference
    tags: tuple[Tag, ...]
    has_indexes: bool
    content: StoreContent

    @property
    def kinds(self) -> Mapping[Kind, list[Tag]]:
        """Its tags, by what they are."""
        kinds: dict[Kind, list[Tag]] = {}
        for tag in self.tags:
            kinds.setdefault(kind_of(tag), []).append(tag)
        return kinds

    @property
    def series(self) -> Counter[Series]:
        """How many tags of each series of builds it has."""
        return Counter(series for tag in self.tags if (series := Series.of(tag)))


@dataclass(frozen=True, slots=True)
class Count:
    """How many tags of a repository a policy keeps and deletes."""

    kept: int
    deleted: int

    @property
    def percent(self) -> float:
        """The share that is deleted."""
        return 100 * self.deleted / max(1, self.kept + self.deleted)


def repositories_of(names: Sequence[str]) -> Repositories:
    """The repositories that are named: a registry, or repositories of one.

    Raises UsageError.
    """
    try:
        parts = [named_repositories(name) for name in names]
    except InvalidValue as error:
        raise UsageError(str(error)) from None
    registries = sorted({part.registry for part in parts})
    if len(registries) > 1:
        raise UsageError(f"{' and '.join(registries)} are several registries (name one)")
    if not all(part.match for part in parts):
        return Repositories(registries[0])
    return Repositories(registries[0], tuple(dict.fromkeys(sum((p.match for p in parts), ()))))


def names_in(part: Repositories, stores: ReadStores) -> tuple[list[str], int]:
    """The repositories to look at, and how many more there are, up to a bound.

    Raises RegbotError where the registry doesn't list them.
    """
    try:
        names = part.names or stores.repositories(part.registry, limit=_MOST_NAMES)
    except (NotFound, NotSupported, Unauthorized, Forbidden) as error:
        example = f"{part.registry}/team/app"
        raise RegbotError(
            f"{error} (where a registry doesn't list its repositories, name them: {example})"
        ) from None
    return list(names[:_MOST_REPOSITORIES]), max(0, len(names) - _MOST_REPOSITORIES)


def look_at(repository: Reference, stores: ReadStores, stop: Stop) -> Inventory | None:
    """Look at a repository: its tags, and a few images. None where it has no tags."""
    store = stores.open(repository)
    tags = tuple(store.tags())
    if not tags:
        return None
    content = StoreContent(store, stop)
    samples = content.facts(_samples(tags), "digest")
    has_indexes = any(facts.is_index for facts in samples.values())
    return Inventory(repository, tags, has_indexes, content)


def _samples(tags: Iterable[Tag]) -> list[Tag]:
    """The last tag of each kind."""
    last = {kind_of(tag): tag for tag in tags}
    return [last[kind] for kind in _SAMPLES if kind in last]


def within_reach(inventories: Iterable[Inventory]) -> Iterator[Inventory]:
    """Those whose builds are few enough to read the date of each; the first always is."""
    read = 0
    for each in inventories:
        most = _MOST_READ_OF_HUB if each.repository.registry == DOCKER_HUB else _MOST_READ
        builds = sum(each.series.values())
        if read and builds and read + builds > most:
            continue
        read += builds
        yield each


def count(inventory: Inventory, policy: Policy, now: float) -> Count:
    """What a policy would do with a repository now. Raises what reading it raises."""
    try:
        decisions = decide(inventory.content, policy, now)
    except NotFound:
        return Count(0, 0)
    deleted = len(decisions.deleted)
    return Count(len(decisions.all) - deleted, deleted)
