"""Opening repositories for a run."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.clients import Client
from support.images import make_image, push
from support.registry import DELETE_OFF, TestRegistry

from regbot.errors import NotSupported
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.store.opener import OpenStores


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
                stores.open(reference(client, "team/app:v1")).delete_tag(Tag("v1"))
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
    store.delete_tag(Tag("gone"))
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
