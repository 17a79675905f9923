"""A layout folder as a store: what other tools write, what they get to see, odd folders."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.images import make_image, make_index, make_layer, make_referrer, push
from support.tagged import delete_tag

from regbot.errors import (
    ContentError,
    InvalidValue,
    Malformed,
    NotFound,
    NotSupported,
    SizeMismatch,
    StorageError,
)
from regbot.oci.digest import Digest
from regbot.oci.manifest import DOCKER_SCHEMA1, OCI_INDEX, Manifest
from regbot.oci.reference import Reference
from regbot.oci.referrers import fallback_tag
from regbot.oci.tag import Tag
from regbot.store.layout_index import Index
from regbot.store.ocidir import OciDirStore

REF_NAME = "org.opencontainers.image.ref.name"


def index_of(folder) -> dict[str, Any]:
    return json.loads((folder.path / "index.json").read_text())


def write_index(folder, entries: list[Any], **fields: Any) -> None:
    data = {"schemaVersion": 2, **fields, "manifests": entries}
    (folder.path / "index.json").write_text(json.dumps(data, indent=2))


def entry_for(image, name: str | None = None, **fields: Any) -> dict[str, Any]:
    annotations = {"annotations": {REF_NAME: name}} if name else {}
    return {**image.manifest.descriptor.to_json(), **annotations, **fields}


class TestFiles:
    def test_a_new_layout_is_as_the_spec_says(self, folder) -> None:
        image = make_image()
        push(folder.store, image, "v1")
        assert json.loads((folder.path / "oci-layout").read_text()) == {
            "imageLayoutVersion": "1.0.0"
        }
        assert index_of(folder) == {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [entry_for(image, "v1")],
        }
        for digest, content in image.blobs.items():
            assert folder.blob(digest).read_bytes() == content

    def test_reading_writes_nothing(self, folder) -> None:
        with pytest.raises(NotFound):
            folder.store.tags()
        folder.store.close()
        assert not folder.path.exists()

    def test_no_temporary_file_is_left(self, folder) -> None:
        push(folder.store, make_image(), "v1")
        delete_tag(folder.store, Tag("v1"))
        hidden = {path.name for path in folder.path.rglob(".*")}
        assert hidden == {".regbot.lock"}

    def test_fields_and_entries_of_others_are_kept(self, folder) -> None:
        image = make_image()
        push(folder.store, image, "mine")
        foreign = entry_for(image, "theirs", platform={"os": "linux", "x": [1]}, urls=["u"])
        strange = {"mediaType": "x/y", "digest": "blake3:00", "size": 1, "é": None}
        write_index(folder, [foreign, strange], annotations={"a": "b"}, more={"c": 1.5})
        push(folder.store, make_image(created=None), "added")
        delete_tag(folder.store, Tag("added"))
        assert index_of(folder) == {
            "schemaVersion": 2,
            "annotations": {"a": "b"},
            "more": {"c": 1.5},
            "manifests": [foreign, strange],
        }

    def test_a_change_by_another_tool_is_seen(self, folder) -> None:
        image = make_image()
        push(folder.store, image, "v1")
        assert folder.store.tags() == ["v1"]
        write_index(folder, [entry_for(image, "v2")])
        assert folder.store.tags() == ["v2"]
        folder.store.put_manifest(Tag("v3"), image.manifest)
        assert folder.reopened().tags() == ["v2", "v3"]

    def test_a_registry_is_no_folder(self) -> None:
        with pytest.raises(InvalidValue, match="ocidir"):
            OciDirStore(Reference.parse("localhost:5000/app"))

    def test_schema_1_is_not_written(self, folder) -> None:
        old = Manifest.parse(b'{"schemaVersion":1,"fsLayers":[]}', DOCKER_SCHEMA1)
        with pytest.raises(NotSupported):
            folder.store.put_manifest(Tag("old"), old)
        assert not folder.path.exists()


class TestNames:
    def test_a_full_name_counts_by_its_tag(self, folder) -> None:
        image = make_image()
        push(folder.store, image, "x")
        write_index(folder, [entry_for(image, "docker.io/library/app:v1")])
        assert folder.store.tags() == ["v1"]
        assert folder.store.head(Tag("v1")).digest == image.digest
        delete_tag(folder.store, Tag("v1"))
        assert index_of(folder)["manifests"] == []

    @pytest.mark.parametrize("order", [1, -1])
    def test_a_plain_tag_comes_before_a_full_name(self, folder, order: int) -> None:
        plain, full = make_image(), make_image(created=None)
        push(folder.store, plain, "x")
        push(folder.store, full, "y")
        entries = [entry_for(full, "docker.io/library/app:v1"), entry_for(plain, "v1")]
        write_index(folder, entries[::order])
        assert folder.store.head(Tag("v1")).digest == plain.digest

    def test_a_tag_that_could_mean_two_names_is_not_touched(self, folder) -> None:
        one, two = make_image(), make_image(created=None)
        push(folder.store, one, "x")
        push(folder.store, two, "y")
        entries = [entry_for(one, "docker.io/a/one:v1"), entry_for(two, "docker.io/b/two:v1")]
        write_index(folder, entries)
        with pytest.raises(NotSupported, match=r"a/one:v1 or docker\.io/b/two:v1"):
            delete_tag(folder.store, Tag("v1"))
        with pytest.raises(NotSupported):
            folder.store.put_manifest(Tag("v1"), one.manifest)
        assert index_of(folder)["manifests"] == entries

    def test_the_first_of_several_entries_counts_and_all_go(self, folder) -> None:
        arm, amd = make_image(platform="linux/arm64"), make_image()
        push(folder.store, arm, "x")
        push(folder.store, amd, "y")
        write_index(folder, [entry_for(arm, "v1"), entry_for(amd, "v1"), entry_for(amd, "v2")])
        assert folder.store.tags() == ["v1", "v2"]
        assert folder.store.head(Tag("v1")).digest == arm.digest
        delete_tag(folder.store, Tag("v1"))
        assert folder.store.tags() == ["v2"]

    def test_a_name_that_is_no_tag_is_kept_but_not_listed(self, folder) -> None:
        image = make_image()
        push(folder.store, image, "x")
        odd = entry_for(image, "not a tag!")
        write_index(folder, [odd, entry_for(image, "v1")])
        delete_tag(folder.store, Tag("v1"))
        assert folder.store.tags() == []
        assert index_of(folder)["manifests"] == [odd]

    def test_the_index_tells_the_media_type_a_body_leaves_out(self, folder) -> None:
        data = {key: value for key, value in make_image().manifest.data.items() if key[0] != "m"}
        bare = Manifest.parse(json.dumps(data).encode())
        push(folder.store, make_image(), "v0")
        folder.store.put_manifest(Tag("v1"), bare)
        assert folder.store.manifest(Tag("v1")) == bare
        assert folder.store.manifest(bare.digest) == bare


class TestUntagged:
    def test_children_are_held_by_their_index_alone(self, folder) -> None:
        child = make_image()
        push(folder.store, child)
        assert [e["digest"] for e in index_of(folder)["manifests"]] == [str(child.digest)]
        index = make_index({"linux/amd64": child})
        push(folder.store, index, "multi")
        assert index_of(folder)["manifests"] == [entry_for(index, "multi")]

    def test_an_entry_that_says_more_is_kept(self, folder) -> None:
        child = make_image()
        push(folder.store, child)
        other = entry_for(child, annotations={"note": "keep me"})
        write_index(folder, [other])
        push(folder.store, make_index({"linux/amd64": child}), "multi")
        assert other in index_of(folder)["manifests"]

    def test_referrers_that_others_left_without_tag_are_found(self, folder) -> None:
        image = make_image()
        push(folder.store, image, "v1")
        signature = make_referrer(image.manifest)
        push(folder.store, signature)
        write_index(folder, [entry_for(image, "v1"), entry_for(signature)])
        assert [one.digest for one in folder.store.referrers(image.digest)] == [signature.digest]
        assert folder.store.referrers(image.digest, "other/type") == []

    def test_an_unreadable_one_is_an_error_not_a_shorter_list(self, folder) -> None:
        image = make_image()
        push(folder.store, image, "v1")
        signature = make_referrer(image.manifest)
        push(folder.store, signature)
        write_index(folder, [entry_for(image, "v1"), entry_for(signature)])
        folder.blob(signature.digest).write_bytes(b"{")
        with pytest.raises(ContentError, match=str(signature.digest)):
            folder.store.referrers(image.digest)

    def test_the_referrers_tag_is_an_index(self, folder) -> None:
        image = make_image()
        push(folder.store, image, "v1")
        push(folder.store, make_referrer(image.manifest))
        tag = fallback_tag(image.digest)
        assert folder.store.tags() == [tag, "v1"]
        assert folder.store.manifest(tag).is_index

    def test_a_referrers_tag_with_something_else_on_it_is_not_overwritten(self, folder) -> None:
        image = make_image()
        tag = fallback_tag(image.digest)
        push(folder.store, image, str(tag))
        with pytest.raises(Malformed):
            push(folder.store, make_referrer(image.manifest))
        assert folder.store.head(tag).digest == image.digest


class TestOddFolders:
    def test_a_folder_with_other_things_is_neither_read_nor_written(self, folder) -> None:
        folder.path.mkdir()
        (folder.path / "notes.txt").write_text("mine")
        for call in (folder.store.tags, lambda: push(folder.store, make_image(), "v1")):
            with pytest.raises(Malformed, match="not an OCI layout folder"):
                call()
        assert [path.name for path in folder.path.iterdir()] == ["notes.txt"]

    def test_a_file(self, folder) -> None:
        folder.path.write_text("")
        with pytest.raises(Malformed, match="is a file"):
            folder.store.tags()
        with pytest.raises((Malformed, StorageError)):
            push(folder.store, make_image(), "v1")

    def test_an_empty_folder_is_filled(self, folder) -> None:
        folder.path.mkdir()
        with pytest.raises(NotFound):
            folder.store.tags()
        push(folder.store, make_image(), "v1")
        assert folder.store.tags() == ["v1"]

    def test_a_lost_index_is_not_an_empty_one(self, folder) -> None:
        push(folder.store, make_image(), "v1")
        (folder.path / "index.json").unlink()
        for call in (folder.store.tags, lambda: push(folder.store, make_image(), "v1")):
            with pytest.raises(Malformed, match=r"index\.json is missing"):
                call()

    @pytest.mark.parametrize(
        "text", ["", "[]", "{}", '{"manifests":{}}', '{"manifests":[1]}', '{"manifests":[', "\0"]
    )
    def test_a_broken_index_is_not_an_empty_one(self, folder, text: str) -> None:
        push(folder.store, make_image(), "v1")
        (folder.path / "index.json").write_text(text)
        for call in (
            folder.store.tags,
            lambda: push(folder.store, make_image(), "v1"),
            lambda: delete_tag(folder.store, Tag("v1")),
            lambda: folder.store.collect_garbage(grace=-1),
        ):
            with pytest.raises(Malformed):
                call()
        assert (folder.path / "index.json").read_text() == text

    def test_an_index_whose_list_is_null_is_empty(self, folder) -> None:
        push(folder.store, make_image(), "v1")
        (folder.path / "index.json").write_text('{"schemaVersion":2,"manifests":null}')
        assert folder.store.tags() == []
        push(folder.store, make_image(), "v2")
        assert folder.store.tags() == ["v2"]

    @pytest.mark.parametrize("text", [None, "{}", '{"imageLayoutVersion":"2.0.0"}', "no"])
    def test_a_layout_of_another_version(self, folder, text: str | None) -> None:
        push(folder.store, make_image(), "v1")
        marker = folder.path / "oci-layout"
        marker.unlink() if text is None else marker.write_text(text)
        with pytest.raises(Malformed):
            folder.reopened().tags()

    def test_a_tag_whose_file_is_missing_can_be_deleted(self, folder) -> None:
        image = make_image()
        push(folder.store, image, "v1")
        folder.blob(image.digest).unlink()
        with pytest.raises(NotFound):
            folder.store.manifest(Tag("v1"))
        assert folder.store.head(Tag("v1")).digest == image.digest
        delete_tag(folder.store, Tag("v1"))
        assert folder.store.tags() == []

    def test_a_broken_manifest_can_be_deleted(self, folder) -> None:
        image = make_image()
        push(folder.store, image, "v1")
        folder.blob(image.digest).write_bytes(b"{")
        folder.store.delete_manifest(image.digest)
        assert folder.store.tags() == []

    def test_a_layer_is_no_manifest_to_delete(self, folder) -> None:
        layer = make_layer("hello")
        push(folder.store, make_image(layers=[layer]), "v1")
        with pytest.raises(Malformed):
            folder.store.delete_manifest(Digest.of(layer))
        assert folder.store.blob_size(Digest.of(layer)) == len(layer)

    def test_a_manifest_above_the_limit_is_not_read(self, folder) -> None:
        image = make_image(annotations={"long": "x" * 1000})
        push(folder.store, image, "v1")
        small = OciDirStore(folder.store.repository, blob_limit=1000)
        with pytest.raises(SizeMismatch, match="more than the limit of 1000"):
            small.manifest(Tag("v1"))

    def test_a_pipe_in_place_of_a_blob_does_not_hang(self, folder) -> None:
        image = make_image()
        push(folder.store, image, "v1")
        folder.blob(image.digest).unlink()
        os.mkfifo(folder.blob(image.digest))
        with pytest.raises(StorageError, match="not a regular file"):
            folder.store.manifest(Tag("v1"))


class TestMount:
    def test_takes_the_file_over_and_survives_its_source(self, folder, tmp_path: Path) -> None:
        content = b"shared bytes"
        folder.store.put_blob(lambda: [content], digest=Digest.of(content), size=len(content))
        other = OciDirStore(Reference.parse(f"ocidir://{tmp_path}/other"))
        assert other.mount_blob(Digest.of(content), folder.store.repository)
        folder.blob(Digest.of(content)).unlink()
        assert b"".join(other.blob(Digest.of(content))) == content

    def test_from_a_registry_is_not_possible(self, folder) -> None:
        digest = Digest.of(b"")
        assert folder.store.mount_blob(digest, Reference.parse("localhost/app")) is False
        assert not folder.path.exists()

    def test_a_link_is_not_taken_over(self, folder, tmp_path: Path) -> None:
        push(folder.store, make_image(), "v1")
        digest = Digest.of(b"outside")
        (tmp_path / "outside").write_bytes(b"outside")
        folder.blob(digest).symlink_to(tmp_path / "outside")
        other = OciDirStore(Reference.parse(f"ocidir://{tmp_path}/other"))
        assert other.mount_blob(digest, folder.store.repository) is False


def test_who_reads_while_the_folder_is_changed_does_not_read_its_own_changes_again(
    folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [make_image(labels={"n": str(number)}) for number in range(40)]
    for number, image in enumerate(images):
        push(folder.store, image, f"v{number}")
    parse, parsed = Index.parse, list[str]()
    monkeypatch.setattr(Index, "parse", lambda raw, what: parsed.append(what) or parse(raw, what))
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            folder.store.tags()

    with ThreadPoolExecutor() as threads:
        reading = threads.submit(read)
        for number in range(len(images)):
            delete_tag(folder.store, Tag(f"v{number}"))
        ended.set()
        reading.result()
    assert folder.store.tags() == []
    assert parsed == []


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    store = OciDirStore(Reference.parse(f"ocidir://{tmp_path}/file"))
    with pytest.raises(Malformed, match="is a file, not an OCI layout folder"):
        push(store, make_image(), "v1")
