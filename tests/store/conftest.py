"""Every kind of Store for the contract suite, each with a way to break its content."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.clients import Client
from support.registry import DISTRIBUTION_2, DISTRIBUTION_3, Quirks, TestRegistry
from support.servers import RealRegistry, docker_registry
from support.viewing import run_on

from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.store.ocidir import OciDirStore
from regbot.store.opener import OpenStores
from regbot.store.overlay_stores import OverlayStores
from regbot.store.protocol import ReadStores, Store


@dataclass(frozen=True)
class Place:
    """A repository, another one of the same host, and a hand on the stored bytes.

    ``damage`` replaces what is stored under a digest, manifest or blob.
    """

    store: Store
    other: Store
    damage: Callable[[Digest, bytes], None]


Kind = Callable[[pytest.FixtureRequest], Place]


@dataclass(frozen=True)
class Folder:
    """A layout folder and a store on it."""

    path: Path
    store: OciDirStore

    def blob(self, digest: Digest) -> Path:
        return self.path / "blobs" / digest.algorithm / digest.hex

    def reopened(self) -> OciDirStore:
        """Another store on the same folder, as another run would have."""
        return open_folder(self.path)


def open_folder(path: Path) -> OciDirStore:
    return OciDirStore(Reference.parse(f"ocidir://{path}"))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    path = tmp_path / "layout"
    return Folder(path, open_folder(path))


def _ocidir(request: pytest.FixtureRequest) -> Place:
    folder: Folder = request.getfixturevalue("folder")
    other = open_folder(folder.path.parent / "other")
    return Place(folder.store, other, lambda digest, raw: _write(folder.blob(digest), raw))


def _write(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)


def _registry(quirks: Quirks, **switches: object) -> Kind:
    """A registry in memory, as two repositories of it."""

    def open_registry(request: pytest.FixtureRequest) -> Place:
        registry, client = _started(request, quirks, **switches)
        damage = _damaging(registry)
        return Place(client.store("team/app"), client.store("team/other"), damage)

    return open_registry


def _started(
    request: pytest.FixtureRequest, quirks: Quirks, **switches: object
) -> tuple[TestRegistry, Client]:
    stack: ExitStack = request.getfixturevalue("closing")
    registry = stack.enter_context(TestRegistry(quirks, **switches))
    return registry, stack.enter_context(Client(registry.host))


def _damaging(registry: TestRegistry) -> Callable[[Digest, bytes], None]:
    def damage(digest: Digest, raw: bytes) -> None:
        own = registry.content.repository("team/app")
        if str(digest) in own.manifests:
            own.manifests[str(digest)] = replace(own.manifests[str(digest)], raw=raw)
        else:
            own.blobs[str(digest)] = raw

    return damage


def _viewed(**reading: object) -> Kind:
    """A registry in memory, read through the views of a run."""

    def open_views(request: pytest.FixtureRequest) -> Place:
        registry, client = _started(request, DISTRIBUTION_3)
        stack: ExitStack = request.getfixturevalue("closing")
        cache = request.getfixturevalue("tmp_path") / "cache"
        run = run_on(registry.host, client.bound, stop=client.stop, cache=cache, **reading)
        opened = stack.enter_context(run)
        return Place(opened.both("team/app"), opened.both("team/other"), _damaging(registry))

    return open_views


def _real_registry(request: pytest.FixtureRequest) -> Place:
    """A real docker-registry, as two fresh repositories of it."""
    registry: RealRegistry = request.getfixturevalue("deleting_registry")
    stack: ExitStack = request.getfixturevalue("closing")
    client = stack.enter_context(Client(registry.host))
    name = f"contract-{uuid.uuid4().hex}"

    def damage(digest: Digest, raw: bytes) -> None:
        pytest.skip("a real registry keeps what is damaged to itself")

    return Place(client.store(f"{name}/app"), client.store(f"{name}/other"), damage)


def _overlay_of_a_registry(request: pytest.FixtureRequest) -> Place:
    """What is planned over an empty registry, which is only ever asked."""
    stack: ExitStack = request.getfixturevalue("closing")
    registry = stack.enter_context(TestRegistry(DISTRIBUTION_3))
    client = stack.enter_context(Client(registry.host))
    stack.callback(_only_reads, registry)
    return _overlay(OpenStores(client.exchange), f"{registry.host}/team")


def _only_reads(registry: TestRegistry) -> None:
    assert {entry.method for entry in registry.requests} <= {"GET", "HEAD"}


def _overlay_of_a_folder(request: pytest.FixtureRequest) -> Place:
    """What is planned over layout folders that don't exist, and never will."""
    stack: ExitStack = request.getfixturevalue("closing")
    client = stack.enter_context(Client("registry.invalid"))
    path: Path = request.getfixturevalue("tmp_path")
    stack.callback(_empty, path)
    return _overlay(OpenStores(client.exchange), f"ocidir://{path}")


def _empty(path: Path) -> None:
    assert list(path.iterdir()) == []


def _overlay(base: ReadStores, above: str) -> Place:
    stores = OverlayStores(base)

    def damage(digest: Digest, raw: bytes) -> None:
        pytest.skip("what is planned is nowhere stored")

    app, other = (Reference.parse(f"{above}/{name}") for name in ("app", "other"))
    return Place(stores.open(app), stores.open(other), damage)


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def deleting_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with docker_registry(tmp_path_factory.mktemp("deleting")) as registry:
        yield registry


KINDS: dict[str, Kind] = {
    "ocidir": _ocidir,
    "distribution 2": _registry(DISTRIBUTION_2),
    "distribution 3": _registry(DISTRIBUTION_3),
    "referrers API": _registry(Quirks(), page_size=10, link="absolute", referrers_page=1),
    "docker-registry": _real_registry,
    "cache": _viewed(),
    "read-ahead and cache": _viewed(readahead=4),
    "overlay of a registry": _overlay_of_a_registry,
    "overlay of a folder": _overlay_of_a_folder,
}
"""One line here joins a store to the contract suite."""


@pytest.fixture(params=sorted(KINDS))
def place(request: pytest.FixtureRequest) -> Place:
    return KINDS[request.param](request)


@pytest.fixture
def store(place: Place) -> Store:
    return place.store
