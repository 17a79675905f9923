"""Many repositories of one dry run: each opened once, new ones in the catalog."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.clients import Client
from support.images import push
from support.planning import NEW, OLD, World, open_world
from support.registry import DISTRIBUTION_3, TestRegistry
from support.tagged import delete_tag

from regbot.errors import NotFound, NotSupported
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.store.opener import OpenStores
from regbot.store.overlay_stores import OverlayStores


@pytest.fixture
def world() -> Iterator[World]:
    with open_world() as world:
        yield world


class TestNewRepository:
    def test_is_not_there_until_a_manifest_is_put(self, world: World) -> None:
        store = world.open("team/new")
        with pytest.raises(NotFound):
            store.tags()
        push(store, NEW, "v1")
        push(store, OLD)
        assert store.tags() == ["v1"]
        assert store.referrers(NEW.digest) == []
        delete_tag(store, Tag("v1"))
        assert store.tags() == []

    def test_is_in_the_catalog(self, world: World) -> None:
        world.registry.put("zebra", "v1", NEW)
        host = world.registry.host
        world.open("aardvark").put_manifest(Tag("v1"), NEW.manifest)
        world.open("team/b").put_manifest(Tag("v1"), NEW.manifest)
        world.open("team/app").put_manifest(Tag("v1"), NEW.manifest)
        world.open("only/opened")
        everything = ["aardvark", "team/app", "team/b", "zebra"]
        assert world.stores.repositories(host) == everything
        joined: list[str] = []
        while page := world.stores.repositories(host, limit=1, last=joined[-1] if joined else ""):
            joined += page
        assert joined == everything
        assert world.stores.repositories(host, limit=0) == []

    def test_no_catalog_is_no_empty_one(self) -> None:
        with TestRegistry(DISTRIBUTION_3, catalog=False) as registry, Client(registry.host) as c:
            stores = OverlayStores(OpenStores(c.exchange))
            reference = Reference.parse(f"{registry.host}/new")
            stores.open(reference).put_manifest(Tag("v1"), NEW.manifest)
            with pytest.raises(NotSupported):
                stores.repositories(registry.host)


class TestStores:
    def test_a_repository_is_opened_once(self, world: World) -> None:
        with ThreadPoolExecutor(8) as pool:
            opened = list(pool.map(lambda _: world.open(), range(32)))
        assert len({id(store) for store in opened}) == 1
        assert world.stores.open(world.reference("team/app:b")) is opened[0]
        assert world.registry.requests == []

    def test_a_folder_is_the_same_by_any_of_its_names(self, world: World, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "layout")
        stores = world.stores
        by_path = stores.open(Reference.parse(f"ocidir://{tmp_path}/layout"))
        push(by_path, NEW, "v1")
        by_link = stores.open(Reference.parse(f"ocidir://{tmp_path}/x/../link:v1"))
        assert by_link.tags() == ["v1"]
        assert not (tmp_path / "layout").exists()

    def test_threads_see_each_other(self, world: World) -> None:
        store = world.open()

        def change(number: int) -> None:
            push(store, NEW, f"t{number}")
            if number % 2:
                delete_tag(store, Tag(f"t{number}"))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(change, range(40)))
        kept = [f"t{number}" for number in range(0, 40, 2)]
        assert store.tags() == sorted(["a", "b", "c", "d", *kept])

    def test_of_two_deletes_at_once_one_is_told_that_it_is_gone(self, world: World) -> None:
        store = world.open()

        def delete(_: int) -> bool:
            try:
                delete_tag(store, Tag("a"))
            except NotFound:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(delete, range(16))) == 1
