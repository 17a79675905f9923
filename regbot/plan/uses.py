"""Images in use, and who uses them: plain facts, with no word on where they come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Name, Tag
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """An image that something uses.

    ``references`` are its names, none for an image that is known by its digest alone. That
    digest may be one of an index, of a manifest or of an image config. ``user`` says who
    uses it, such as ``deployment prod/web (context eu1)``.
    """

    user: str
    references: tuple[Reference, ...] = ()
    digest: Digest | None = None


class Uses:
    """All uses that are known, by tag and by digest. Threads may share it."""

    def __init__(self, uses: Iterable[Use] = ()) -> None:
        self._by_tag: dict[Tag, dict[Reference, list[str]]] = {}
        self._by_digest: dict[Digest, list[str]] = {}
        self._in_repository: dict[Reference, set[Name]] = {}
        self._alone: set[Digest] = set()
        for use in uses:
            self._add(use)

    def _add(self, use: Use) -> None:
        for reference in use.references:
            repository = comparable(reference)
            names = self._in_repository.setdefault(repository, set())
            if reference.tag:
                names.add(reference.tag)
                places = self._by_tag.setdefault(reference.tag, {})
                places.setdefault(repository, []).append(use.user)
            if use.digest:
                names.add(use.digest)
        if use.digest:
            self._by_digest.setdefault(use.digest, []).append(use.user)
            if not use.references:
                self._alone.add(use.digest)

    @property
    def has_any(self) -> bool:
        """Whether anything is in use at all."""
        return bool(self._by_tag or self._by_digest)

    @property
    def has_digests(self) -> bool:
        """Whether any image is known by its digest."""
        return bool(self._by_digest)

    @property
    def may_be_configs(self) -> bool:
        """Whether a digest is known alone, so that it may be one of an image config."""
        return bool(self._alone)

    def of_tag(self, tag: Tag, names: Sequence[Reference]) -> str:
        """Who uses a tag of a repository, by any of the repository's names; else empty."""
        places = self._by_tag.get(tag)
        if places is None:
            return ""
        users = map(places.get, map(comparable, names))
        return _told(next(filter(None, users), []))

    def of_digest(self, digest: Digest) -> str:
        """Who uses a digest, in whatever repository; empty for nobody."""
        return _told(self._by_digest.get(digest, []))

    def within(self, names: Sequence[Reference]) -> set[Name]:
        """The tags and digests that are in use under any name of a repository."""
        return set().union(*(self._in_repository.get(comparable(name), ()) for name in names))


class InUse(Protocol):
    """What a script has to keep because it is in use. Threads may share it."""

    def uses(self) -> Uses:
        """All that is in use, read at the first call.

        Raises UseUnknown where a source can't be read, and what the run's Stop says.
        """
        ...


def comparable(reference: Reference) -> Reference:
    """The repository of a reference; hosts are compared without case and default port."""
    registry = reference.registry.lower().removesuffix(":443")
    return replace(reference, registry=registry, tag=None, digest=None)


def _told(users: Sequence[str]) -> str:
    """The first user, and how many others there are."""
    distinct = list(dict.fromkeys(users))
    if len(distinct) < 2:
        return "".join(distinct)
    return f"{distinct[0]} and {len(distinct) - 1} more"
