"""A layout folder under fire: killed writers, many writers, a full disk, a held lock."""

from __future__ import annotations

import fcntl
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import FileIO
from itertools import count, islice
from pathlib import Path

import pytest
from support.images import make_image, push
from support.tagged import delete_tag

from regbot.errors import NotFound, ScriptTimeout, SizeMismatch, StorageError
from regbot.oci.digest import Digest
from regbot.oci.tag import Tag
from regbot.stopping import Stop
from regbot.store.digest_files import DigestFiles
from regbot.store.ocidir import OciDirStore

TESTS = Path(__file__).parents[1]

PRELUDE = """
import sys
sys.path.insert(0, sys.argv[2])
from support.images import make_image, make_index, push
from support.memory import own_peak
from support.tagged import delete_tag
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.store.ocidir import OciDirStore
store = OciDirStore(Reference.parse("ocidir://" + sys.argv[1]))
"""

BUSY = """
from itertools import count, islice
for number in count():
    image = make_image(labels={"run": sys.argv[3], "number": str(number)})
    push(store, make_index({"linux/amd64": image}), f"r{sys.argv[3]}-{number}")
    print("put", f"r{sys.argv[3]}-{number}", flush=True)
    if number % 3 == 2:
        delete_tag(store, Tag(f"r{sys.argv[3]}-{number - 1}"))
        print("deleted", f"r{sys.argv[3]}-{number - 1}", flush=True)
    if number % 4 == 3:
        store.collect_garbage(grace=-1)
"""

WRITER = """
for number in range(12):
    tag = f"w{sys.argv[3]}-{number}"
    push(store, make_image(labels={"tag": tag}), tag)
    if number % 2:
        delete_tag(store, Tag(tag))
    store.collect_garbage()
"""

SMALL_FILES = """
import resource
from regbot.errors import StorageError
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
big = b"x" * 30000
def refused(call):
    try:
        call()
    except StorageError as error:
        assert "write" in str(error) and "\\n" not in str(error), error
    else:
        raise SystemExit("no StorageError")
refused(lambda: store.put_blob(lambda: [big], digest=Digest.of(big), size=len(big)))
manifest = store.manifest(Tag("v0"))
def fill():
    for number in range(1000):
        store.put_manifest(Tag(f"v{number}"), manifest)
refused(fill)
print(len(store.tags()))
"""


def start(code: str, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PRELUDE + code, str(folder), str(TESTS), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def assert_sound(store: OciDirStore) -> None:
    """Every tag leads to whole content."""
    for tag in store.tags():
        names = [tag, *(child.digest for child in store.manifest(tag).manifests)]
        for manifest in map(store.manifest, names):
            for blob in (*manifest.layers, *([manifest.config] if manifest.config else [])):
                assert sum(map(len, store.blob(blob.digest, blob.size))) == blob.size


def test_killed_at_any_moment_the_layout_is_sound(folder) -> None:
    chance = random.Random(4711)
    for run in range(8):
        lines: list[str] = []
        with start(BUSY, folder.path, str(run)) as process:
            assert process.stdout
            lines += islice(process.stdout, chance.randrange(1, 20))
            assert process.poll() is None
            process.kill()
            lines += process.stdout.readlines()
        done = [line.split() for line in lines if line.endswith("\n")]
        deleted = {tag for what, tag in done if what == "deleted"}
        tags = set(folder.reopened().tags())
        unsure = {f"r{run}-{len([1 for what, _ in done if what == 'put']) - 2}"}
        assert {tag for what, tag in done if what == "put"} - deleted - unsure <= tags
        assert not deleted & tags
        assert_sound(folder.reopened())
    push(folder.store, make_image(), "after")
    folder.store.collect_garbage(grace=-1)
    assert_sound(folder.reopened())
    left = {path.name for path in folder.path.rglob(".*")}
    assert left == {".regbot.lock"}


def test_files_are_replaced_never_written_over(folder) -> None:
    """Who reads the old file while it changes goes on reading the old one, whole."""
    image = make_image()
    push(folder.store, image, "v1")
    folder.blob(image.digest).write_bytes(b"damaged")
    with (folder.path / "index.json").open() as index, folder.blob(image.digest).open() as blob:
        push(folder.store, image, "v2")
        assert [entry["digest"] for entry in json.load(index)["manifests"]] == [str(image.digest)]
        assert blob.read() == "damaged"
    assert folder.store.tags() == ["v1", "v2"]
    assert_sound(folder.store)


def test_several_processes_write_at_once(folder) -> None:
    writers = [start(WRITER, folder.path, str(number)) for number in range(4)]
    for writer in writers:
        with writer:
            pass
    assert [writer.returncode for writer in writers] == [0, 0, 0, 0]
    expected = {f"w{who}-{number}" for who in range(4) for number in range(0, 12, 2)}
    assert set(folder.store.tags()) == expected
    assert_sound(folder.store)


def test_several_threads_write_at_once(folder) -> None:
    def work(number: int) -> None:
        push(folder.store, make_image(labels={"n": str(number)}), f"t{number}")
        if number % 2:
            delete_tag(folder.store, Tag(f"t{number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert set(folder.store.tags()) == {f"t{number}" for number in range(0, 40, 2)}
    assert_sound(folder.store)


def test_a_full_disk_is_one_clear_error_and_loses_nothing(folder) -> None:
    push(folder.store, make_image(), "v0")
    with start(SMALL_FILES, folder.path) as process:
        assert process.stdout
        output = process.stdout.read()
    assert process.returncode == 0
    assert 1 < len(folder.store.tags()) == int(output)
    with pytest.raises(NotFound):
        folder.store.blob_size(Digest.of(b"x" * 30000))
    assert {path.name for path in folder.path.rglob(".*")} == {".regbot.lock"}
    assert_sound(folder.store)


def test_a_file_system_that_gives_little_at_once_is_read_to_the_end(folder, monkeypatch) -> None:
    """As network file systems may: a part of a manifest is not what it says."""
    image = make_image(annotations={"long": "x" * 1000})
    push(folder.store, image, "v1")

    class Little(FileIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 100))

    def open_little(descriptor: int, *_: object, **__: object) -> Little:
        return Little(descriptor)

    monkeypatch.setattr("regbot.store.digest_files.os.fdopen", open_little)
    files = DigestFiles(folder.path / "blobs", "files")
    size = image.manifest.size
    assert files.read(image.digest, size) == image.manifest.raw
    assert b"".join(files.chunks(image.digest)) == image.manifest.raw
    with pytest.raises(SizeMismatch):
        files.read(image.digest, size - 1)


def test_a_file_that_cannot_be_read_is_not_an_empty_layout(folder) -> None:
    push(folder.store, make_image(), "v1")
    (folder.path / "index.json").unlink()
    (folder.path / "index.json").mkdir()
    for call in (folder.store.tags, lambda: delete_tag(folder.store, Tag("v1"))):
        with pytest.raises(StorageError, match=r"can't read .*index\.json"):
            call()


@contextmanager
def held(path: Path) -> Iterator[None]:
    with (path / ".regbot.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_a_held_lock_does_not_outlast_the_run(folder) -> None:
    push(folder.store, make_image(), "v1")
    store = OciDirStore(folder.store.repository, stop=Stop(timeout=0.05))
    with held(folder.path):
        with pytest.raises(ScriptTimeout):
            delete_tag(store, Tag("v1"))
        assert store.tags() == ["v1"]


def test_a_lock_held_for_long_is_one_clear_error(folder) -> None:
    push(folder.store, make_image(), "v1")
    seconds = count(step=25)
    impatient = Stop(clock=lambda: float(next(seconds)))
    store = OciDirStore(folder.store.repository, stop=impatient)
    with held(folder.path), pytest.raises(StorageError, match="locked by another process"):
        delete_tag(store, Tag("v1"))
    delete_tag(folder.store, Tag("v1"))


def test_blobs_are_streamed(folder) -> None:
    """128 MiB pass through in both directions without ever being in memory at once."""
    code = """
chunk = b"\\0" * 2**20
import hashlib
hasher = hashlib.sha256()
for _ in range(128): hasher.update(chunk)
digest = Digest("sha256", hasher.hexdigest())
store.put_blob(lambda: (chunk for _ in range(128)), digest=digest, size=128 * 2**20)
assert sum(map(len, store.blob(digest))) == 128 * 2**20
print(own_peak())
"""
    with start(code, folder.path) as process:
        assert process.stdout
        peak = int(process.stdout.read())
    assert peak < 100 * 1024


def test_ten_thousand_tags(folder) -> None:
    code = """
import json, pathlib
path = pathlib.Path(sys.argv[1])
push(store, make_image(), "first")
entries = []
for number in range(10000):
    image = make_image(labels={"n": str(number)})
    for content in (image.manifest.raw, image.config):
        (path / "blobs/sha256" / Digest.of(content).hex).write_bytes(content)
    annotations = {"org.opencontainers.image.ref.name": f"build-{number:05}"}
    entries.append({**image.manifest.descriptor.to_json(), "annotations": annotations})
(path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
tags = store.tags()
assert len(tags) == 10000
for tag in tags:
    store.manifest(tag)
for tag in tags[:400]:
    store.head(tag)
    delete_tag(store, tag)
# 800 of the deleted, and the config and manifest of "first"
assert store.collect_garbage(grace=-1).blobs == 802
assert store.tags() == tags[400:]
assert len(store.tags(limit=100, last=tags[5000])) == 100
print(own_peak())
"""
    with start(code, folder.path) as process:
        assert process.stdout
        peak = int(process.stdout.read())
    assert process.returncode == 0
    assert peak < 150 * 1024
    assert len(folder.store.tags()) == 9600
