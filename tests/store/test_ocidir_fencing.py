"""Law 11 in layout folders: what belongs to an attempt that has ended changes no file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.images import make_image, make_index, push
from support.leases import Lease
from support.tagged import delete_tag

from regbot.errors import AttemptEnded
from regbot.events import ignore
from regbot.files import TEMPORARY_PREFIX
from regbot.image.archive_write import write_archive
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.store.ocidir import OciDirStore

Work = Callable[[OciDirStore, Path], object]


def put(store: OciDirStore, _folder: Path) -> None:
    push(store, make_index({"linux/amd64": make_image(labels={"n": "3"})}), "new")


def delete_some(store: OciDirStore, _folder: Path) -> None:
    delete_tag(store, Tag("old"))


def delete_by_digest(store: OciDirStore, _folder: Path) -> None:
    store.delete_manifest(store.head(Tag("old")).digest)


def clean_up(store: OciDirStore, _folder: Path) -> None:
    delete_tag(store, Tag("old"))
    store.collect_garbage(grace=-1)


def mount(store: OciDirStore, folder: Path) -> None:
    other = Reference.parse(f"ocidir://{folder}/layout")
    elsewhere = OciDirStore(Reference.parse(f"ocidir://{folder}/elsewhere"), stop=store._stop)
    for layer in store.manifest(Tag("old")).layers:
        elsewhere.mount_blob(layer.digest, other)


def export(store: OciDirStore, folder: Path) -> None:
    write_archive(
        store, Tag("old"), folder / "old.tar", repository_name="app", stop=store._stop, emit=ignore
    )


@pytest.mark.parametrize("work", [put, delete_some, delete_by_digest, clean_up, mount, export])
def test_wherever_the_process_is_suspended_no_file_changes_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Work
) -> None:
    """Law: an attempt that has ended changes nothing any more."""

    def suspended(before: int) -> Lease:
        folder, lease = tmp_path / str(before), Lease(before)
        reference = Reference.parse(f"ocidir://{folder}/layout")
        for number, tag in enumerate(("old", "kept")):
            push(OciDirStore(reference), make_image(labels={"n": str(number)}), tag)
        changes = {name: getattr(os, name) for name in ("rename", "link", "unlink")}

        def watched(name: str) -> Callable[..., None]:
            def change(path: str, *more: str) -> None:
                if name != "unlink" or not Path(path).name.startswith(TEMPORARY_PREFIX):
                    lease.acts()
                changes[name](path, *more)

            return change

        with monkeypatch.context() as patched:
            for name in changes:
                patched.setattr(os, name, watched(name))
            try:
                work(OciDirStore(reference, stop=lease.stop()), folder)
            except AttemptEnded:
                assert lease.is_over
        assert not list(folder.rglob(f"{TEMPORARY_PREFIX}*"))
        return lease

    looks = suspended(0).looks
    assert looks
    for before in range(1, looks + 1):
        lease = suspended(before)
        assert not lease.late, f"changed after the lease, suspended before look {before}"


def test_a_folder_is_left_as_it_was(tmp_path: Path) -> None:
    reference = Reference.parse(f"ocidir://{tmp_path}/layout")
    push(OciDirStore(reference), make_image(), "old")
    before = (tmp_path / "layout" / "index.json").read_bytes()
    lease = Lease()
    store = OciDirStore(reference, stop=lease.stop())
    lease.pause()
    with pytest.raises(AttemptEnded):
        delete_tag(store, Tag("old"))
    with pytest.raises(AttemptEnded):
        push(
            OciDirStore(Reference.parse(f"ocidir://{tmp_path}/new"), stop=lease.stop()),
            make_image(),
        )
    assert (tmp_path / "layout" / "index.json").read_bytes() == before
    assert not (tmp_path / "new").exists()
