"""Opening repositories for a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.clients import Client
from support.images import make_image, push
from support.registry import DELETE_OFF, TestRegistry
from support.tagged import delete_tag

from regbot.errors import InvalidValue, NotSupported, StorageError
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.store.opener import OpenStores
from regbot.store.protocol import Store


def reference(client: Client, text: str) -> Reference:
    return Reference.parse(f"{client.host}/{text}")


def test_a_repository_is_opened_once_whatever_its_tag() -> None:
    with TestRegistry() as registry, Client(registry.host) as client:
        stores = OpenStores(client.exchange)
        with ThreadPoolExecutor(8) as threads:
            names = [reference(client, f"team/app:v{number}") for number in range(32)]
            opened = list(threads.map(stores.open, names))
        assert len({id(store) for store in opened}) == 1
        assert stores.open(reference(client, "team/other")) is not opened[0]
        assert registry.requests == []


def test_what_was_learned_of_a_registry_is_kept_for_the_run() -> None:
    """Remember the answer per repository."""
    with TestRegistry(DELETE_OFF) as registry, Client(registry.host) as client:
        registry.put_image("team/app", "v1")
        stores = OpenStores(client.exchange)
        for _ in range(3):
            with pytest.raises(NotSupported):
                delete_tag(stores.open(reference(client, "team/app:v1")), Tag("v1"))
        assert len(registry.asked("PUT", "/manifests/")) == 1


def test_layout_folders_and_registries_side_by_side(tmp_path: Path) -> None:
    with TestRegistry() as registry, Client(registry.host) as client:
        stores = OpenStores(client.exchange)
        folder = Reference.parse(f"ocidir://{tmp_path}/layout:v1")
        push(stores.open(folder), make_image(), "v1")
        push(stores.open(reference(client, "team/app")), make_image(), "v1")
        assert stores.open(folder).tags() == ["v1"]
        assert list(registry.tags("team/app")) == ["v1"]
        assert stores.repositories(registry.host) == ["team/app"]


def layout(stores: OpenStores, path: Path) -> list[Path]:
    """A folder with a kept and a deleted tag, all long ago; its files."""
    store = stores.open(Reference.parse(f"ocidir://{path}"))
    push(store, make_image(), "kept")
    push(store, make_image(labels={"n": "2"}), "gone")
    delete_tag(store, Tag("gone"))
    files = [file for file in (path / "blobs").rglob("*") if file.is_file()]
    for file in files:
        os.utime(file, (1, 1))
    return files


def test_the_end_cleans_up_a_folder_that_was_taken_from(tmp_path: Path) -> None:
    with Client("nowhere.test") as client:
        stores = OpenStores(client.exchange)
        files = layout(stores, tmp_path)
        stores.close()
        left = [file for file in files if file.exists()]
        assert len(left) == len(files) - 2
        assert stores.open(Reference.parse(f"ocidir://{tmp_path}")).manifest(Tag("kept"))


def test_a_clean_up_that_fails_is_said_and_removes_nothing(tmp_path: Path) -> None:
    with Client("nowhere.test") as client:
        stores = OpenStores(client.exchange, emit=client.events.append)
        files = layout(stores, tmp_path)
        kept = stores.open(Reference.parse(f"ocidir://{tmp_path}")).head(Tag("kept")).digest
        (tmp_path / "blobs" / "sha256" / kept.hex).write_bytes(b"rubbish")
        stores.close()
        assert any("not cleaned up" in text for text in client.said("warn"))
        assert all(file.exists() for file in files)


class TestWorkDir:
    @pytest.fixture
    def open_in(self, tmp_path: Path) -> Iterator[Callable[[str], Store]]:
        """Opens a folder by its path below ``tmp_path``; ``work`` is the bound."""
        (tmp_path / "work").mkdir()
        with Client("registry.invalid") as client:
            stores = OpenStores(client.exchange, work_dir=tmp_path / "work")
            yield lambda text: stores.open(Reference.parse(f"ocidir://{tmp_path}/{text}"))

    def test_a_folder_in_it_is_opened_by_its_name(self, open_in, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "work")
        store = open_in("link/app")
        push(store, make_image(), "v1")
        assert str(store.repository) == f"ocidir://{tmp_path}/link/app"
        assert open_in("work/app").tags() == ["v1"]

    @pytest.mark.parametrize("below", ["", "blobs", "blobs/sha256", "blobs/sha512"])
    def test_what_leads_out_through_a_link_is_refused(self, open_in, tmp_path, below) -> None:
        link = tmp_path / "work" / "app" / below
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(InvalidValue, match=r"leads out of workDir, .*/work \(set workDir"):
            open_in("work/app")

    @pytest.mark.parametrize("text", ["app", "work/../app", "work-not", "work/app/../../.."])
    def test_what_is_elsewhere_is_refused(self, open_in, text) -> None:
        with pytest.raises(InvalidValue, match="leads out of workDir"):
            open_in(text)

    def test_the_lock_is_no_way_out(self, open_in, tmp_path: Path) -> None:
        store = open_in("work/app")
        push(store, make_image(), "v1")
        lock = tmp_path / "work" / "app" / ".regbot.lock"
        lock.unlink()
        lock.symlink_to(tmp_path / "new")
        with pytest.raises(StorageError):
            delete_tag(store, Tag("v1"))
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a b", "a\n  b", "a:b", "Team/app", "", "x" * 256]
)
def test_a_name_that_is_none_is_never_asked_for(name: str) -> None:
    """A registry may list what it likes."""
    with TestRegistry() as registry, Client(registry.host) as client:
        stores = OpenStores(client.exchange)
        with pytest.raises(InvalidValue, match="reference '"):
            stores.open(Reference("registry", registry.host, name))
        assert registry.requests == []
