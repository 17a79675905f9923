"""Only regular files are opened, wherever a path leads: a pipe would be waited for for good."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.configs import problems
from support.hanging import without_hanging
from support.images import make_image, push
from support.journals import small

from regbot.config.document import Mistake
from regbot.config.template import render
from regbot.errors import CredentialError, StorageError
from regbot.events import Event, Message
from regbot.files import obstacle, open_regular, reading, replace_file, write_out
from regbot.http.docker_config import load as load_docker_config
from regbot.http.hosts import HostSettings
from regbot.http.tls import context_for
from regbot.image.archive_read import open_archive
from regbot.journal.manifest_files import ManifestFiles
from regbot.oci.reference import Reference
from regbot.store.ocidir import OciDirStore

NOT_REGULAR = "it is a named pipe, not a regular file"


@pytest.fixture(autouse=True)
def _no_hanging() -> Iterator[None]:
    with without_hanging():
        yield


def pipe_at(path: Path) -> Path:
    """A pipe that nobody writes to, in the place of whatever is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


def test_a_regular_file_is_read_through_a_link(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    with open_regular(tmp_path / "link") as file:
        assert file.read() == b"content"


def test_what_is_missing_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "missing")


def test_what_is_no_regular_file_is_named(tmp_path):
    kinds = {"a named pipe": pipe_at(tmp_path / "pipe"), "a folder": tmp_path}
    kinds["a device"] = Path("/dev/zero")
    kinds["a socket"] = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(kinds["a socket"]))
        for kind, path in kinds.items():
            with pytest.raises(StorageError) as caught, reading(path):
                open_regular(path)
            assert str(caught.value) == f"can't read {path}: it is {kind}, not a regular file"


def test_a_link_to_a_pipe_is_a_pipe(tmp_path):
    pipe_at(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with pytest.raises(OSError, match=NOT_REGULAR):
        open_regular(tmp_path / "link")


def test_an_index_of_endless_size_is_not_read(tmp_path):
    path = tmp_path / "layout"
    store = OciDirStore(Reference.parse(f"ocidir://{path}"))
    push(store, make_image(), "v1")
    with (path / "index.json").open("r+b") as index:
        index.truncate(1 << 40)
    with pytest.raises(StorageError, match=r"index.json: it has more than the limit of \d+ bytes"):
        store.tags()


class TestLayout:
    @pytest.fixture
    def filled(self, tmp_path: Path) -> Path:
        path = tmp_path / "layout"
        push(OciDirStore(Reference.parse(f"ocidir://{path}")), make_image(), "v1")
        return path

    @pytest.mark.parametrize("name", ["index.json", "oci-layout"])
    def test_its_own_files(self, filled: Path, name: str) -> None:
        pipe_at(filled / name)
        store = OciDirStore(Reference.parse(f"ocidir://{filled}"))
        with pytest.raises(StorageError, match=rf"{name}: {NOT_REGULAR}"):
            store.tags()
        with pytest.raises(StorageError, match=rf"{name}: {NOT_REGULAR}"):
            push(store, make_image(), "v2")

    def test_its_lock(self, filled: Path) -> None:
        pipe_at(filled / ".regbot.lock")
        with pytest.raises(StorageError, match=NOT_REGULAR):
            push(OciDirStore(Reference.parse(f"ocidir://{filled}")), make_image(), "v2")

    def test_a_blob_to_mount_or_to_replace(self, filled: Path, tmp_path: Path) -> None:
        image = make_image()
        store = OciDirStore(Reference.parse(f"ocidir://{filled}"))
        other = OciDirStore(Reference.parse(f"ocidir://{tmp_path}/other"))
        layer = image.manifest.layers[0]
        pipe_at(filled / "blobs" / "sha256" / layer.digest.hex)
        calls: list[Callable[[], object]] = [
            lambda: store.blob_size(layer.digest),
            lambda: b"".join(store.blob(layer.digest)),
            lambda: other.mount_blob(layer.digest, store.repository),
        ]
        for call in calls:
            with pytest.raises(StorageError, match=NOT_REGULAR):
                call()


def test_an_archive(tmp_path):
    with (
        pytest.raises(StorageError, match=NOT_REGULAR),
        open_archive(pipe_at(tmp_path / "a.tar"), blob_limit=1000),
    ):
        pass


def test_a_kept_manifest_of_the_journal(tmp_path):
    (manifest,) = small(1).manifests
    files = ManifestFiles(tmp_path)
    path = pipe_at(tmp_path / "sha256" / manifest.digest.hex)
    with pytest.raises(StorageError, match=NOT_REGULAR):
        files.read(manifest.digest, manifest.media_type)
    files.add([manifest])
    assert path.read_bytes() == manifest.raw


def test_a_script_and_a_template_of_the_config(tmp_path):
    pipe = pipe_at(tmp_path / "pipe")
    (found,) = problems("scripts: [{name: a, file: pipe}]", base=tmp_path)
    assert found == f"bot.yml:1:27: file: can't read 'pipe': {NOT_REGULAR} (name a Lua file)"
    with pytest.raises(Mistake, match=NOT_REGULAR):
        render(f'{{{{file "{pipe}"}}}}', {})


def test_a_docker_config(tmp_path):
    pipe_at(tmp_path / "config.json")
    heard: list[Event] = []
    load_docker_config({"DOCKER_CONFIG": str(tmp_path)}, heard.append)
    (message,) = heard
    assert isinstance(message, Message)
    assert NOT_REGULAR in message.text


@pytest.mark.parametrize("name", ["ca.crt", "client.cert", "client.key"])
def test_a_certificate(tmp_path, name):
    folder = tmp_path / "registry.example"
    for each in ("client.cert", "client.key"):
        (folder / each).parent.mkdir(exist_ok=True)
        (folder / each).write_text("PEM")
    path = pipe_at(folder / name)
    with pytest.raises(CredentialError) as caught:
        context_for(HostSettings("registry.example"), tmp_path)
    assert str(caught.value) == f"{path}: {NOT_REGULAR}"


def test_what_stands_in_the_way_of_a_file_is_said_and_nothing_is_left(tmp_path):
    (tmp_path / "folder").mkdir()
    pipe_at(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "target")
    before = sorted(tmp_path.rglob("*"))
    assert obstacle(tmp_path / "new") == ""
    assert obstacle(tmp_path / "pipe") == ""
    assert obstacle(tmp_path / "link") == ""
    assert obstacle(tmp_path / "folder") == "this is a folder"
    assert obstacle(tmp_path / "no" / "new") == f"there is no folder {tmp_path / 'no'}"
    assert obstacle(Path("/proc/new")) != ""
    assert sorted(tmp_path.rglob("*")) == before


def test_no_file_takes_the_place_of_a_device_or_a_pipe(tmp_path):
    pipe = pipe_at(tmp_path / "pipe")
    for path, kind in ((pipe, "a named pipe"), (Path("/dev/full"), "a device")):
        with pytest.raises(StorageError) as caught:
            replace_file(path, b"content")
        assert str(caught.value) == f"can't write {path}: it is {kind}, not a regular file"
    assert pipe.is_fifo()
    assert Path("/dev/full").is_char_device()


def test_a_full_disk_is_one_error_that_names_the_file():
    with pytest.raises(StorageError) as caught:
        write_out(Path("/dev/full"), b"content")
    assert str(caught.value).startswith("can't write /dev/full: ")
