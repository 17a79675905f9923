"""A registry with a few tags, and what is planned over it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from regbot.oci.reference import Reference
from regbot.store.opener import OpenStores
from regbot.store.overlay import Overlay
from regbot.store.overlay_stores import OverlayStores
from support.clients import Client
from support.images import make_image
from support.registry import DISTRIBUTION_3, TestRegistry

OLD, NEW = make_image(created="2020-01-01T00:00:00Z"), make_image()


class World:
    """A registry, what is planned over it, and the requests of the planning."""

    def __init__(self, registry: TestRegistry, client: Client) -> None:
        self.registry = registry
        self.base = OpenStores(client.exchange)
        self.stores = OverlayStores(self.base)

    def open(self, repository: str = "team/app") -> Overlay:
        return self.stores.open(self.reference(repository))

    def reference(self, repository: str) -> Reference:
        return Reference.parse(f"{self.registry.host}/{repository}")

    def asked(self, part: str = "") -> list[str]:
        return [entry.method for entry in self.registry.asked(part=part)]


@contextmanager
def open_world() -> Iterator[World]:
    """Tags a, b and c on OLD and d on NEW in ``team/app``. Ends with a look at the requests."""
    with TestRegistry(DISTRIBUTION_3) as registry, Client(registry.host) as client:
        for tag in ("a", "b", "c"):
            registry.put("team/app", tag, OLD)
        registry.put("team/app", "d", NEW)
        yield World(registry, client)
        assert {entry.method for entry in registry.requests} <= {"GET", "HEAD"}
