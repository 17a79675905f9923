"""Clean-up of a layout folder: what nothing leads to goes, what may be needed stays."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support.images import Image, make_image, make_index, make_layer, make_referrer, push
from support.tagged import delete_tag

from regbot.errors import ContentError, Malformed, NotFound, SizeMismatch
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.stopping import Stop
from regbot.store.layout_garbage import Collected
from regbot.store.ocidir import OciDirStore

LONG_AGO = 1_000_000_000


def files(folder) -> set[str]:
    return {path.name for path in (folder.path / "blobs").rglob("*") if path.is_file()}


def make_old(folder) -> None:
    for path in folder.path.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO))


def needed(*images: Image) -> set[str]:
    names = set()
    for image in images:
        names |= {image.digest.hex, *(digest.hex for digest in image.blobs)}
        names |= needed(*image.children)
    return names


def test_a_deleted_tag_leaves_what_others_share(folder) -> None:
    base = make_layer("base")
    kept = make_image(layers=[base, make_layer("kept")])
    gone = make_image(layers=[base, make_layer("gone")], created=None)
    push(folder.store, kept, "kept")
    push(folder.store, gone, "gone")
    delete_tag(folder.store, Tag("gone"))
    assert files(folder) == needed(kept, gone)
    only = needed(gone) - needed(kept)
    size = sum((folder.path / "blobs/sha256" / name).stat().st_size for name in only)
    assert folder.store.collect_garbage(grace=-1) == Collected(blobs=3, size=size)
    assert files(folder) == needed(kept)


def test_young_blobs_are_spared_for_the_manifest_to_come(folder) -> None:
    push(folder.store, make_image(), "v1")
    folder.store.put_blob(lambda: [b"new"], digest=Digest.of(b"new"), size=3)
    assert folder.store.collect_garbage() == Collected()
    assert folder.store.blob_size(Digest.of(b"new")) == 3


def test_a_blob_put_again_is_young_again(folder) -> None:
    push(folder.store, make_image(), "v1")
    folder.store.put_blob(lambda: [b"new"], digest=Digest.of(b"new"), size=3)
    make_old(folder)
    folder.store.put_blob(lambda: [b"new"], digest=Digest.of(b"new"), size=3)
    assert folder.reopened().collect_garbage() == Collected()


def test_a_mounted_blob_is_young(folder, tmp_path: Path) -> None:
    push(folder.store, make_image(), "v1")
    folder.store.put_blob(lambda: [b"new"], digest=Digest.of(b"new"), size=3)
    make_old(folder)
    other = OciDirStore(Reference.parse(f"ocidir://{tmp_path}/other"))
    assert other.mount_blob(Digest.of(b"new"), folder.store.repository)
    assert other.collect_garbage() == Collected()


def test_close_cleans_up_only_what_this_store_let_go(folder) -> None:
    image = make_image()
    push(folder.store, image, "v1")
    folder.store.put_blob(lambda: [b"x"], digest=Digest.of(b"x"), size=1)
    make_old(folder)
    folder.reopened().close()
    assert Digest.of(b"x").hex in files(folder)
    last = folder.reopened()
    delete_tag(last, Tag("v1"))
    last.close()
    assert files(folder) == set()


def test_a_store_that_only_added_cleans_nothing_up(folder) -> None:
    push(folder.store, make_index({"linux/amd64": make_image()}), "multi")
    folder.store.put_blob(lambda: [b"x"], digest=Digest.of(b"x"), size=1)
    make_old(folder)
    folder.store.close()
    assert Digest.of(b"x").hex in files(folder)


def test_a_moved_tag_lets_the_old_image_go(folder) -> None:
    old, new = make_image(created=None), make_image()
    push(folder.store, old, "v1")
    push(folder.store, new, "v1")
    make_old(folder)
    folder.store.close()
    assert files(folder) == needed(new)


def test_a_stopped_run_leaves_the_clean_up(folder) -> None:
    image = make_image()
    push(folder.store, image, "v1")
    make_old(folder)
    stop = Stop()
    store = OciDirStore(folder.store.repository, stop=stop)
    delete_tag(store, Tag("v1"))
    stop.ask()
    store.close()
    assert files(folder) == needed(image)


def test_everything_an_index_leads_to_is_kept(folder) -> None:
    one, two = make_image(), make_image(platform="linux/arm64", created=None)
    inner = make_index({"linux/amd64": one})
    outer = make_index({"linux/arm64": two, "linux/386": inner})
    push(folder.store, outer, "all")
    assert folder.store.collect_garbage(grace=-1) == Collected()
    delete_tag(folder.store, Tag("all"))
    folder.store.collect_garbage(grace=-1)
    assert files(folder) == set()


def test_a_manifest_without_tag_is_kept(folder) -> None:
    image = make_image()
    push(folder.store, image)
    assert folder.store.collect_garbage(grace=-1) == Collected()


def test_referrers_of_a_kept_image_are_kept(folder) -> None:
    image = make_image()
    signature = make_referrer(image.manifest)
    push(folder.store, image, "v1")
    push(folder.store, signature)
    assert folder.store.collect_garbage(grace=-1) == Collected()
    assert folder.store.manifest(signature.digest).raw == signature.manifest.raw


def test_a_signature_does_not_keep_its_deleted_image(folder) -> None:
    image = make_image()
    signature = make_referrer(image.manifest)
    push(folder.store, image, "v1")
    push(folder.store, signature)
    delete_tag(folder.store, Tag("v1"))
    folder.store.collect_garbage(grace=-1)
    assert image.digest.hex not in files(folder)
    assert needed(signature) < files(folder)


@pytest.mark.parametrize("raw", [b"", b"{", b'{"layers":[]}', None])
def test_nothing_goes_when_a_kept_manifest_is_unreadable(folder, raw: bytes | None) -> None:
    kept, gone = make_image(), make_image(created=None)
    push(folder.store, kept, "kept")
    push(folder.store, gone, "gone")
    delete_tag(folder.store, Tag("gone"))
    path = folder.blob(kept.digest)
    path.unlink() if raw is None else path.write_bytes(raw)
    before = files(folder)
    with pytest.raises(ContentError):
        folder.store.collect_garbage(grace=-1)
    assert files(folder) == before


def test_nothing_goes_when_a_kept_manifest_is_too_big_to_read(folder) -> None:
    push(folder.store, make_image(annotations={"long": "x" * 2000}), "kept")
    before = files(folder)
    small = OciDirStore(folder.store.repository, blob_limit=1000)
    with pytest.raises(SizeMismatch):
        small.collect_garbage(grace=-1)
    assert files(folder) == before


def test_nothing_goes_when_an_entry_has_an_unknown_kind_of_digest(folder) -> None:
    push(folder.store, make_image(), "v1")
    before = files(folder)
    entry = {"mediaType": "application/x", "digest": "blake3:00", "size": 1}
    (folder.path / "index.json").write_text(json.dumps({"manifests": [entry]}))
    with pytest.raises(Malformed, match="blake3"):
        folder.store.collect_garbage(grace=-1)
    assert files(folder) == before


def test_a_platform_that_was_never_copied_does_not_hinder(folder) -> None:
    here, elsewhere = make_image(), make_image(platform="linux/arm64", created=None)
    push(folder.store, here)
    index = make_index({"linux/amd64": here, "linux/arm64": elsewhere})
    folder.store.put_manifest(Tag("sparse"), index.manifest)
    folder.store.put_blob(lambda: [b"x"], digest=Digest.of(b"x"), size=1)
    assert folder.store.collect_garbage(grace=-1).blobs == 1
    assert files(folder) == {index.digest.hex} | needed(here)


def test_a_list_may_hold_layers_as_build_caches_do(folder) -> None:
    layer = make_layer("cached")
    push(folder.store, make_image(), "v1")
    folder.store.put_blob(lambda: [layer], digest=Digest.of(layer), size=len(layer))
    cached = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "size": len(layer)}
    cached["digest"] = str(Digest.of(layer))
    data = json.loads((folder.path / "index.json").read_text())
    data["manifests"].append(cached)
    (folder.path / "index.json").write_text(json.dumps(data))
    assert folder.store.collect_garbage(grace=-1) == Collected()


def test_content_named_in_a_field_nobody_knows_is_kept(folder) -> None:
    image = make_image()
    extra = {"digest": str(Digest.of(b"extra")), "size": 5, "mediaType": "x/y"}
    folder.store.put_blob(lambda: [b"extra"], digest=Digest.of(b"extra"), size=5)
    data = {**image.manifest.data, "future": {"deep": [extra]}}
    push(folder.store, Image(type(image.manifest).build(data), blobs=image.blobs), "v1")
    assert folder.store.collect_garbage(grace=-1) == Collected()


def test_only_files_of_the_layout_are_removed(folder) -> None:
    push(folder.store, make_image(), "v1")
    (folder.path / "README").write_text("mine")
    (folder.path / "blobs/sha256/notes").write_text("mine")
    (folder.path / "blobs/sha256/.regbot-0123").write_text("left by a killed run")
    make_old(folder)
    assert folder.store.collect_garbage() == Collected()
    assert (folder.path / "README").exists()
    assert (folder.path / "blobs/sha256/notes").exists()
    assert not (folder.path / "blobs/sha256/.regbot-0123").exists()


def test_of_no_layout(folder) -> None:
    with pytest.raises(NotFound):
        folder.store.collect_garbage()
    assert not folder.path.exists()
