"""The same test where less is known: then never more may be deleted.

Each variant takes something away that a script may have relied on: the order of the
listing, a date, the listing itself. It is compared with a run that has neither faults nor
a guard, for a guard that stops the whole would hide what a script decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from regbot.oci.reference import Reference
from regbot.plan.guard import Guard
from regbot.stopping import Stop
from regbot.testing.cases import Case
from regbot.testing.fixture import Repository, called, content_of
from regbot.testing.running import Happened, Named, run_case
from regbot.testing.store import SORTED, Listing
from regbot.values import dataclass

_SEED = 1


@dataclass(frozen=True, slots=True)
class Variant:
    """What is different in a variant, in words and in the test."""

    words: str
    repositories: Sequence[Repository]
    listing: Listing = SORTED


def worse_variants(case: Case, happened: Happened, stop: Stop) -> Iterator[str]:
    """The variants that delete more than the test, a line each."""
    plain = replace(case, faults=(), script=replace(case.script, guard=Guard()))
    if case.faults or case.script.guard.is_set:
        happened = run_case(plain, stop)
    for variant in _variants(case, happened):
        changed = run_case(plain, stop, repositories=variant.repositories, listing=variant.listing)
        more = changed.deleted - happened.deleted
        if more:
            names = ", ".join(str(name) for name in sorted(more))
            yield f"with {variant.words}, it also deletes {names}"


def _variants(case: Case, happened: Happened) -> Iterator[Variant]:
    if not happened.error:  # what was done before an error depends on the order
        yield Variant("the listing in another order", case.repositories, Listing(_SEED))
    dated = _dated(case, happened)
    for image in _telling(dated):
        yield Variant(f"no date on {image.called}", _undated(case.repositories, [image]))
    if len(dated) > 1:
        yield Variant("no dates at all", _undated(case.repositories, dated))
    yield Variant("the listing cut short", case.repositories, Listing(is_cut=True))


@dataclass(frozen=True, slots=True)
class _Dated:
    """An image whose date a script may have seen."""

    repository: Reference
    image: str
    called: Named
    date: float
    is_deleted: bool


def _dated(case: Case, happened: Happened) -> list[_Dated]:
    """The dated images that the script has read, the oldest first."""
    dated = []
    for repository in case.repositories:
        roots = content_of(repository).roots
        for name, image in repository.images.items():
            if image.date is None or roots[name] not in happened.read:
                continue
            title = Named(str(repository.reference), called(repository, name))
            is_deleted = title in happened.deleted
            dated.append(_Dated(repository.reference, name, title, image.date, is_deleted))
    return sorted(dated, key=lambda image: (image.date, image.called))


def _telling(dated: Sequence[_Dated]) -> list[_Dated]:
    """The oldest and the newest of those that are kept, and of those that are deleted."""
    kept = [image for image in dated if not image.is_deleted]
    deleted = [image for image in dated if image.is_deleted]
    return list(dict.fromkeys([*kept[:1], *kept[-1:], *deleted[:1], *deleted[-1:]]))


def _undated(repositories: Sequence[Repository], images: Sequence[_Dated]) -> list[Repository]:
    """The repositories with some images that have no date."""
    chosen = {(image.repository, image.image) for image in images}
    return [
        replace(
            repository,
            images={
                name: image.undated() if (repository.reference, name) in chosen else image
                for name, image in repository.images.items()
            },
        )
        for repository in repositories
    ]
