"""The machine of ``test_deletion_machine`` on a real docker-registry behind a fault proxy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import Phase
from support.clients import Client
from support.deleting import Facts
from support.images import Image, push
from support.machine import RUNS, try_deletion
from support.proxying import FaultProxy
from support.registry import DISTRIBUTION_2, Fault
from support.servers import RealRegistry, docker_registry

from regbot.http.exchange import Exchange
from regbot.oci.reference import Reference
from regbot.stopping import Stop
from regbot.store.remote import RemoteStore

EVERY = 50
"""So many runs there are in memory for each of these."""
_ANY = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"
_DOCKER = "application/vnd.docker.distribution.manifest.v2+json"


class Real:
    """One repository of its own in a registry that all runs share."""

    quirks = DISTRIBUTION_2
    numbers = itertools.count()

    def __init__(self, registry: RealRegistry, proxy: FaultProxy, client: Client) -> None:
        self.name = proxy.host
        self.repository = f"run{next(self.numbers)}/app"
        self.protected: set[str] = set()
        self._registry = registry
        self._proxy = proxy
        self._client = client
        self._known: set[str] = set()

    def bind(self, stop: Stop) -> Exchange:
        return self._client.bound(stop)

    def fill(self, tag: str, image: Image) -> None:
        place = Reference("registry", self.name, self.repository)
        push(RemoteStore(self.bind(Stop()), place), image, tag)
        self._learn(image)

    def facts(self) -> Facts:
        tags = self._registry.tags(self.repository)
        self._known.update(tags.values())
        read = {digest: self._read(digest) for digest in sorted(self._known)}
        return Facts(tags, {digest: raw for digest, raw in read.items() if raw})

    def move(self, tag: str, digest: str) -> None:
        raw, kind = self._get(digest)
        path = f"/v2/{self.repository}/manifests/{tag}"
        self._registry.raw("PUT", path, raw, {"Content-Type": kind})

    def break_by(self, faults: Sequence[Fault]) -> None:
        self._proxy.break_by(faults)

    def settle(self) -> None:
        self._proxy.settle()

    def _learn(self, image: Image) -> None:
        self._known.add(str(image.digest))
        for child in image.children:
            self._learn(child)

    def _read(self, digest: str) -> bytes:
        return self._get(digest)[0]

    def _get(self, digest: str) -> tuple[bytes, str]:
        path = f"/v2/{self.repository}/manifests/{digest}"
        accept = {"Accept": f"{_ANY}, {_DOCKER}"}
        status, headers, raw = self._registry.raw("GET", path, headers=accept)
        return (raw, headers["content-type"]) if status == 200 else (b"", "")


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[tuple[RealRegistry, FaultProxy, Client]]:
    with (
        docker_registry(tmp_path / "registry") as registry,
        FaultProxy(registry.host) as proxy,
        Client(proxy.host) as client,
    ):
        yield registry, proxy, client


@pytest.mark.parametrize("part", range(2))
def test_deletion(proxied: tuple[RealRegistry, FaultProxy, Client], part: int) -> None:
    """The same must hold as in memory, with threads and connections besides."""
    only = (Phase.generate,)  # a real server is too slow to look for the shortest example
    try_deletion(lambda: Real(*proxied), runs=RUNS // EVERY // 2, phases=only)
