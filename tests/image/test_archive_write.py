"""Writing images into tars."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from support.images import make_image, make_index, make_layer, make_referrer, push
from support.pairs import named

from regbot.errors import (
    ContentError,
    InvalidValue,
    NotFound,
    Stopped,
    StorageError,
)
from regbot.events import Message, ignore
from regbot.image.archive_read import open_archive
from regbot.image.archive_write import write_archive
from regbot.oci.digest import Digest
from regbot.oci.manifest import Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.stopping import Stop
from regbot.store.ocidir import OciDirStore

LIMIT = 100_000


@pytest.fixture
def store(tmp_path: Path) -> OciDirStore:
    return OciDirStore(Reference.parse(f"ocidir://{tmp_path}/layout"))


def write(
    store, name: str | Digest, path: Path, repository: str = "registry.test/team/app", **options
):
    options = {"stop": Stop(), "emit": ignore, **options}
    return write_archive(store, named(name), path, repository_name=repository, **options)


def names_of(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return tar.getnames()


def json_of(path: Path, name: str):
    with tarfile.open(path) as tar:
        return json.load(tar.extractfile(name))


def two_platforms():
    return make_index(
        {"linux/amd64": make_image(), "linux/arm64": make_image(platform="linux/arm64")}
    )


@pytest.mark.parametrize("file", ["a.tar", "a.tar.gz", "a.TGZ", "a.tar.zst"])
def test_what_is_written_is_read_back_byte_for_byte(store, tmp_path, file) -> None:
    index = two_platforms()
    push(store, index, "v1")
    write(store, "v1", tmp_path / file)
    with open_archive(tmp_path / file, blob_limit=LIMIT) as archive:
        assert archive.tags() == ["v1"]
        assert archive.default_name == index.digest
        assert archive.manifest(Tag("v1")) == index.manifest
        assert archive.head(Tag("v1")).digest == index.digest
        for child in index.children:
            assert archive.manifest(child.digest).raw == child.manifest.raw
            for digest, content in child.blobs.items():
                assert b"".join(archive.blob(digest, len(content))) == content
                assert archive.blob_size(digest) == len(content)


def test_the_ending_of_the_name_says_how_it_is_packed(store, tmp_path) -> None:
    push(store, make_image(), "v1")
    for file in ("a.tar", "a.tar.gz", "a.tar.zst"):
        write(store, "v1", tmp_path / file)
    plain = (tmp_path / "a.tar").read_bytes()
    assert gzip.decompress((tmp_path / "a.tar.gz").read_bytes()) == plain
    packed = io.BytesIO((tmp_path / "a.tar.zst").read_bytes())
    assert zstandard.ZstdDecompressor().stream_reader(packed).read() == plain


def test_the_same_image_gives_the_same_bytes(store, tmp_path) -> None:
    push(store, two_platforms(), "v1")
    for file in ("1.tar", "2.tar", "1.tgz", "2.tgz"):
        write(store, "v1", tmp_path / file)
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    assert (tmp_path / "1.tgz").read_bytes() == (tmp_path / "2.tgz").read_bytes()
    with tarfile.open(tmp_path / "1.tar") as tar:
        for member in tar:
            assert (member.mtime, member.uid, member.gid) == (0, 0, 0)
            assert (member.uname, member.gname) == ("", "")


def test_docker_load_finds_an_image_of_this_machine_or_the_first(store, tmp_path) -> None:
    index = make_index({"windows/s390x": make_image(platform="windows/s390x")})
    push(store, index, "v1")
    write(store, "v1", tmp_path / "a.tar")
    (saved,) = json_of(tmp_path / "a.tar", "manifest.json")
    child = index.children[0].manifest
    assert saved["RepoTags"] == ["registry.test/team/app:v1"]
    assert saved["Config"] == f"blobs/sha256/{child.config.digest.hex}"
    assert saved["Layers"] == [f"blobs/sha256/{layer.digest.hex}" for layer in child.layers]
    (entry,) = json_of(tmp_path / "a.tar", "index.json")["manifests"]
    assert entry["digest"] == str(index.digest)
    assert entry["annotations"]["io.containerd.image.name"] == "registry.test/team/app:v1"


def test_an_artifact_is_written_without_what_only_images_have(store, tmp_path) -> None:
    image = make_image()
    push(store, image)
    artifact = make_referrer(image.manifest)
    push(store, artifact, "signature")
    write(store, "signature", tmp_path / "a.tar")
    assert "manifest.json" not in names_of(tmp_path / "a.tar")
    with open_archive(tmp_path / "a.tar", blob_limit=LIMIT) as archive:
        assert archive.manifest(Tag("signature")) == artifact.manifest
        assert archive.referrers(image.digest, "something/else") == []


def test_a_digest_and_an_image_without_a_name_give_no_names(store, tmp_path) -> None:
    image = make_image()
    push(store, image, "v1")
    write(store, image.digest, tmp_path / "a.tar")
    write(store, "v1", tmp_path / "b.tar", "")
    assert json_of(tmp_path / "a.tar", "manifest.json")[0]["RepoTags"] is None
    assert json_of(tmp_path / "b.tar", "manifest.json")[0]["RepoTags"] is None
    with open_archive(tmp_path / "a.tar", blob_limit=LIMIT) as archive:
        assert archive.tags() == []
        assert archive.default_name == image.digest
    with open_archive(tmp_path / "b.tar", blob_limit=LIMIT) as archive:
        assert archive.tags() == ["v1"]


@pytest.mark.parametrize("name", ["ocidir://folder", "Team/App", "a b"])
def test_a_name_docker_can_not_use_is_refused_before_anything_is_written(
    store, tmp_path, name
) -> None:
    push(store, make_image(), "v1")
    with pytest.raises(InvalidValue):
        write(store, "v1", tmp_path / "a.tar", name)
    assert not (tmp_path / "a.tar").exists()


def test_layers_that_are_elsewhere_are_left_out(store, tmp_path) -> None:
    image = make_image(layers=[make_layer("one"), make_layer("two")])
    data = json.loads(image.manifest.raw)
    data["layers"][0]["urls"] = ["https://elsewhere.test/layer"]
    changed = replace(image, manifest=Manifest.build(data))
    push(store, changed, "v1")
    write(store, "v1", tmp_path / "a.tar")
    away, here = changed.manifest.layers
    names = names_of(tmp_path / "a.tar")
    assert f"blobs/sha256/{away.digest.hex}" not in names
    assert f"blobs/sha256/{here.digest.hex}" in names
    assert "manifest.json" not in names


class Broken:
    """A store of one image in which something is wrong with the last blob."""

    def __init__(self, store: OciDirStore, how) -> None:
        self.repository = store.repository
        self.manifest, self.head = store.manifest, store.head
        self._store = store
        self._how = how

    def blob(self, digest: Digest, size: int | None = None):
        yield from self._store.blob(digest, size)
        self._how()


def raising(error: Exception):
    def fail() -> None:
        raise error

    return fail


def test_a_failed_export_leaves_the_old_file_and_no_other(store, tmp_path) -> None:
    push(store, make_image(), "v1")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a.tar.gz").write_bytes(b"old")
    broken = Broken(store, raising(ContentError("damaged")))
    with pytest.raises(ContentError, match="damaged"):
        write(broken, "v1", folder / "a.tar.gz")
    assert [path.name for path in folder.iterdir()] == ["a.tar.gz"]
    assert (folder / "a.tar.gz").read_bytes() == b"old"


def test_a_stop_ends_an_export_without_a_file(store, tmp_path) -> None:
    push(store, make_image(), "v1")
    folder = tmp_path / "out"
    folder.mkdir()
    stop = Stop()
    with pytest.raises(Stopped):
        write(Broken(store, stop.ask), "v1", folder / "a.tar", stop=stop)
    assert list(folder.iterdir()) == []


def test_a_missing_child_is_found_before_anything_is_written(store, tmp_path) -> None:
    index = two_platforms()
    push(store, index, "v1")
    gone = index.children[1].digest
    (tmp_path / "layout" / "blobs" / "sha256" / gone.hex).unlink()
    with pytest.raises(NotFound, match=gone.hex):
        write(store, "v1", tmp_path / "a.tar")
    assert not (tmp_path / "a.tar").exists()


def test_a_damaged_layer_is_no_export(store, tmp_path) -> None:
    image = make_image()
    push(store, image, "v1")
    layer = image.manifest.layers[0]
    blob = tmp_path / "layout" / "blobs" / "sha256" / layer.digest.hex
    blob.write_bytes(bytes(layer.size))
    with pytest.raises(ContentError, match=layer.digest.hex):
        write(store, "v1", tmp_path / "a.tar")
    assert not (tmp_path / "a.tar").exists()


def test_a_link_at_the_files_name_is_replaced_and_not_followed(store, tmp_path) -> None:
    push(store, make_image(), "v1")
    victim = tmp_path / "victim"
    victim.write_text("keep me")
    (tmp_path / "a.tar").symlink_to(victim)
    write(store, "v1", tmp_path / "a.tar")
    assert victim.read_text() == "keep me"
    assert not (tmp_path / "a.tar").is_symlink()


def test_a_missing_folder_and_a_folder_in_the_way_are_said_clearly(store, tmp_path) -> None:
    push(store, make_image(), "v1")
    with pytest.raises(StorageError, match="there is no folder"):
        write(store, "v1", tmp_path / "missing" / "a.tar")
    (tmp_path / "a.tar").mkdir()
    with pytest.raises(StorageError, match=r"can't write .*a\.tar"):
        write(store, "v1", tmp_path / "a.tar")


def test_a_full_disk_is_a_storage_error(store, tmp_path) -> None:
    push(store, make_image(layers=[os.urandom(300_000)]), "v1")
    folder = tmp_path / "out"
    folder.mkdir()
    import resource
    import signal

    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, old[1]))
    try:
        for file in ("a.tar", "a.tar.gz", "a.tar.zst"):
            with pytest.raises(StorageError, match="too large"):
                write(store, "v1", folder / file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(folder.iterdir()) == []


def test_a_nested_index_and_long_digests_fit(store, tmp_path) -> None:
    layer = make_layer("x")
    image = make_image(layers=[layer])
    data = json.loads(image.manifest.raw)
    long = Digest.of(layer, "sha512")
    data["layers"][0]["digest"] = str(long)
    blobs = {**image.blobs, long: layer}
    image = replace(image, manifest=Manifest.build(data), blobs=blobs)
    nested = make_index({"linux/amd64": make_index({"linux/amd64": image})})
    push(store, nested, "v1")
    write(store, "v1", tmp_path / "a.tar")
    with open_archive(tmp_path / "a.tar", blob_limit=LIMIT) as archive:
        assert b"".join(archive.blob(long)) == layer
        assert archive.manifest(image.digest).raw == image.manifest.raw
    assert json_of(tmp_path / "a.tar", "manifest.json")


def test_what_was_written_is_told(store, tmp_path) -> None:
    image = make_image()
    push(store, image, "v1")
    events = []
    root = write(store, "v1", tmp_path / "a.tar", emit=events.append)
    assert root == image.manifest
    (event,) = events
    assert isinstance(event, Message)
    assert event.fields["digest"] == str(image.digest)


@pytest.mark.parametrize("file", ["a.tar", "a.tar.gz", "a.tar.zst"])
def test_a_big_layer_is_never_in_memory(store, tmp_path, file) -> None:
    big = bytes(40_000_000)
    image = make_image(layers=[big])
    push(store, image, "v1")
    layer = image.manifest.layers[0]
    tracemalloc.start()
    try:
        write(store, "v1", tmp_path / file)
        with open_archive(tmp_path / file, blob_limit=LIMIT) as archive:
            assert sum(map(len, archive.blob(layer.digest, layer.size))) == len(big)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
