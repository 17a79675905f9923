"""Runs a test's script by the path of a dry run, and tells what became of the repositories."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from regbot.errors import NotFound
from regbot.events import ignore
from regbot.lua.flavours import preferred_flavour
from regbot.oci.digest import Digest
from regbot.oci.manifest import DEFAULT_BLOB_LIMIT
from regbot.oci.reference import Reference
from regbot.oci.tag import Name, Tag
from regbot.plan.action import DeleteManifest, DeleteTag, ExportTar
from regbot.plan.outcome import Outcome, Outcomes
from regbot.plan.uses import Use, Uses
from regbot.run.job import run_script
from regbot.run.services import Fixture, Services
from regbot.stopping import Stop
from regbot.store.overlay_stores import OverlayStores
from regbot.store.protocol import ReadStore, ReadStores
from regbot.testing.cases import Case
from regbot.testing.fixture import Content, Repository
from regbot.testing.offline import OfflineExchange
from regbot.testing.store import SORTED, FixtureStores, Listing, Traffic
from regbot.values import dataclass

Lines = Mapping[str, Mapping[str, Sequence[int]]]
"""By the name of a chunk, the lines of it that ``ran`` and that ``can`` run."""


class Named(NamedTuple):
    """A tag or manifest of a repository, by what people call it."""

    repository: str
    name: str

    def __str__(self) -> str:
        return f"{self.repository}:{self.name}"


@dataclass(frozen=True, slots=True)
class Happened:
    """What a run of a test did.

    ``before`` and ``after`` have the digest of everything that has a name. ``reasons``
    are those that the script gave for deletes. ``strangers`` are registries that are not
    in the test. ``guard`` is the message of the guard that stopped it, ``read`` are the
    manifests that were read whole.
    """

    before: Mapping[Named, Digest]
    after: Mapping[Named, Digest]
    reasons: Mapping[Named, str]
    exported: tuple[str, ...] = ()
    error: str = ""
    guard: str = ""
    requests: int = 0
    read: frozenset[Digest] = frozenset()
    seconds: float = 0.0
    strangers: tuple[str, ...] = ()
    lines: Lines | None = None

    @property
    def deleted(self) -> set[Named]:
        """What is not there any more."""
        return set(self.before) - set(self.after)

    @property
    def copied(self) -> set[Named]:
        """What was put on a tag that had something else, or was not there."""
        return {name for name, digest in self.after.items() if self.before.get(name) != digest}


class InUseOf:
    """Says that these images are in use, and nothing else."""

    def __init__(self, images: Sequence[Reference]) -> None:
        self._uses = Uses(Use("the test", (image,), image.digest) for image in images)

    def uses(self) -> Uses:
        """All of them."""
        return self._uses


def run_case(
    case: Case,
    stop: Stop,
    *,
    repositories: Sequence[Repository] | None = None,
    listing: Listing = SORTED,
    covers: bool = False,
) -> Happened:
    """Run a test, by default on its own repositories. Never raises for what a script does."""
    traffic = Traffic(case.faults, listing)
    held = case.repositories if repositories is None else repositories
    fixture = FixtureStores(held, traffic)
    planned, outcomes = OverlayStores(fixture), Outcomes()
    lines: dict[str, Mapping[str, Sequence[int]]] = {}
    services = Services(
        bind=lambda _stop, _emit: OfflineExchange(DEFAULT_BLOB_LIMIT),
        emit=ignore,
        outcomes=outcomes,
        environment=case.environment,
        flavour=preferred_flavour(),
        blob_limit=DEFAULT_BLOB_LIMIT,
        dry_run=True,
        overlay=planned,
        fixture=Fixture(fixture, case.now, InUseOf(case.in_use), lines.update if covers else None),
    )
    began = time.monotonic()
    result = run_script(case.script, services, stop)
    seconds, requests, read = time.monotonic() - began, traffic.count, frozenset(traffic.read)
    traffic.end()
    stop.check()
    return Happened(
        before=_named(fixture, fixture.contents),
        after=_named(planned, _with_new(planned, fixture.contents)),
        reasons=_reasons(outcomes.all, fixture.contents),
        exported=tuple(_exported(outcomes.all, case.script.work_dir)),
        error="" if result.guarded else result.error,
        guard=result.error if result.guarded else "",
        requests=requests,
        read=read,
        seconds=seconds,
        strangers=tuple(sorted(traffic.strangers)),
        lines=lines if covers else None,
    )


def _with_new(
    planned: OverlayStores, contents: Mapping[Reference, Content]
) -> Mapping[Reference, Content]:
    """The repositories of a test, and those that its script would make."""
    registries = {reference.registry for reference in contents if reference.registry}
    made = {
        Reference("registry", registry, name): Content()
        for registry in registries
        for name in planned.repositories(registry)
    }
    return {**made, **contents}


def _named(stores: ReadStores, contents: Mapping[Reference, Content]) -> dict[Named, Digest]:
    """The digest of everything that has a name."""
    return {
        Named(str(reference), name): digest
        for reference, content in contents.items()
        for name, digest in _names_in(stores.open(reference), content)
    }


def _names_in(store: ReadStore, content: Content) -> Iterator[tuple[str, Digest]]:
    try:
        tags = store.tags()
    except NotFound:
        tags = []
    names = _by_tag(content)
    for tag in tags:
        digest = _digest_at(store, tag)
        if digest:
            yield names.get(tag, tag), digest
    for name, target in content.names.items():
        if isinstance(target, Digest):
            whole = content.parts.get(name)
            # A part that goes with its index is no loss of its own.
            if _digest_at(store, target) or (whole and not _digest_at(store, whole)):
                yield name, target


def _digest_at(store: ReadStore, name: Name) -> Digest | None:
    try:
        return store.head(name).digest
    except NotFound:
        return None


def _by_tag(content: Content) -> dict[Tag, str]:
    return {tag: name for name, tag in content.names.items() if isinstance(tag, Tag)}


def _reasons(
    outcomes: Sequence[Outcome], contents: Mapping[Reference, Content]
) -> dict[Named, str]:
    reasons = {}
    names = {reference: _by_tag(content) for reference, content in contents.items()}
    for outcome in outcomes:
        action = outcome.action
        repository = action.reference.without_name
        tags: tuple[Tag, ...] = ()
        if isinstance(action, DeleteTag):
            tags = (action.tag,)
        elif isinstance(action, DeleteManifest) and outcome.evidence:
            tags = outcome.evidence.tags
        for tag in tags:
            name = names.get(repository, {}).get(tag, tag)
            reasons[Named(str(repository), name)] = action.reason
    return reasons


def _exported(outcomes: Sequence[Outcome], work_dir: Path) -> Iterator[str]:
    for outcome in outcomes:
        if isinstance(outcome.action, ExportTar) and outcome.status == "planned":
            yield os.path.relpath(outcome.action.path, work_dir)
