"""Tars made to do harm, and tars that were harmed: one clear error, and nothing else."""

from __future__ import annotations

import errno
import gzip
import io
import os
import subprocess
import sys
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.archives import config_of, layout, link, make_tar, manifest_json, opened, saved
from support.images import make_image, make_layer

from regbot.errors import ContentError, Malformed, RegbotError, SizeMismatch, StorageError
from regbot.image import compression, tar_members
from regbot.oci.digest import Digest
from regbot.oci.tag import Tag

IMAGE = make_image()
LAYER = make_layer("one")


def device(kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo()
    member.type, member.devmajor, member.devminor = kind, 1, 3
    return member


def refused(path: Path, why: str, kind: type[RegbotError] = Malformed) -> None:
    with pytest.raises(kind, match=why) as caught, opened(path):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "a/.."])
def test_names_that_lead_out_are_refused(tmp_path, name) -> None:
    file = make_tar(tmp_path / "a.tar", {**layout(("v1", IMAGE)), name: b"x"})
    refused(file, "leads out")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../etc/passwd", "../x"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_that_lead_out_are_refused(tmp_path, target, kind) -> None:
    members = layout(("v1", IMAGE)) | {"index.json": link(target, kind)}
    refused(make_tar(tmp_path / "a.tar", members), "leads out")


def test_links_to_nothing_and_in_circles_are_refused(tmp_path) -> None:
    members = layout(("v1", IMAGE))
    file = tmp_path / "a.tar"
    refused(make_tar(file, members | {"index.json": link("gone")}), "has no target")
    refused(make_tar(file, members | {"index.json": link("index.json")}), "circular")
    circle = {"index.json": link("b"), "b": link("index.json")}
    refused(make_tar(file, members | circle), "circular")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_are_not_opened(tmp_path, kind) -> None:
    members = layout(("v1", IMAGE)) | {"index.json": device(kind)}
    refused(make_tar(tmp_path / "a.tar", members), "not a regular file")


def test_a_device_nobody_asks_for_does_no_harm(tmp_path) -> None:
    members = layout(("v1", IMAGE)) | {"dev/null": device(tarfile.CHRTYPE)}
    with opened(make_tar(tmp_path / "a.tar", members)) as archive:
        assert archive.tags() == ["v1"]


def test_a_sparse_file_is_refused(tmp_path) -> None:
    sparse = tarfile.TarInfo()
    sparse.type = tarfile.GNUTYPE_SPARSE
    members = layout(("v1", IMAGE)) | {"index.json": sparse}
    refused(make_tar(tmp_path / "a.tar", members), "not a regular file")
    new = tarfile.TarInfo()
    new.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.realsize": "999999999999"}
    members = layout(("v1", IMAGE)) | {"index.json": new}
    refused(make_tar(tmp_path / "b.tar", members), "not a regular file")


def test_an_index_that_is_there_twice_is_refused(tmp_path) -> None:
    file = make_tar(tmp_path / "a.tar", layout(("v1", IMAGE)))
    other = make_tar(tmp_path / "b.tar", layout(("v1", make_image(created=None))))
    with tarfile.open(file, "a") as tar, tarfile.open(other) as more:
        for member in more:
            tar.addfile(member, more.extractfile(member))
    refused(file, "'oci-layout' occurs more than once")


def test_huge_json_is_refused_by_its_size(tmp_path) -> None:
    members = layout(("v1", IMAGE))
    members["index.json"] += b" " * 200_000
    file = make_tar(tmp_path / "a.tar", members)
    refused(file, "more than the limit of 100000", SizeMismatch)
    big = make_image(labels={"a": "b" * 200_000}, annotations={"a": "b" * 200_000})
    with (
        opened(make_tar(tmp_path / "b.tar", layout(("v1", big)))) as archive,
        pytest.raises(SizeMismatch, match="more than the limit"),
    ):
        archive.manifest(Tag("v1"))


@pytest.mark.parametrize("name", ["index.json", "oci-layout"])
@pytest.mark.parametrize("content", [b"", b"[]", b"<html>", b"[" * 90_000, b'{"manifests": 3}'])
def test_rubbish_where_json_belongs_is_malformed(tmp_path, name, content) -> None:
    refused(make_tar(tmp_path / "a.tar", layout(("v1", IMAGE)) | {name: content}), ".")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[3]",
        b"[" * 90_000,
        b'[], "images": []',
        manifest_json({}),
        manifest_json({"Config": 3}),
        manifest_json({"Config": "missing.json"}),
        manifest_json({"Config": "c.json", "Layers": "no"}),
        manifest_json({"Config": "c.json", "Layers": [None]}),
        manifest_json(saved("c.json", [])),
        manifest_json(saved("c.json", ["missing"])),
        manifest_json(saved("c.json", ["../../etc/passwd"])),
        manifest_json(saved("../c.json", ["l.tar"])),
        manifest_json(saved("l.tar", ["l.tar"])),
        manifest_json(saved("odd.json", ["l.tar"])),
        manifest_json(saved("worse.json", ["l.tar"])),
    ],
)
def test_a_manifest_json_that_fits_nothing_is_malformed(tmp_path, content) -> None:
    members = {"c.json": config_of(LAYER), "l.tar": LAYER, "manifest.json": content}
    members |= {
        "odd.json": b'{"rootfs": {"diff_ids": "x"}}',
        "worse.json": b'{"rootfs": {"diff_ids": ["md5:00"]}}',
    }
    refused(make_tar(tmp_path / "a.tar", members), ".")


def test_wrong_digests_are_found_on_the_way(tmp_path) -> None:
    members = layout(("v1", IMAGE))
    layer = IMAGE.manifest.layers[0]
    members[f"blobs/sha256/{layer.digest.hex}"] = make_layer("other")
    with (
        opened(make_tar(tmp_path / "a.tar", members)) as archive,
        pytest.raises(ContentError, match=layer.digest.hex),
    ):
        b"".join(archive.blob(layer.digest, layer.size))
    members[f"blobs/sha256/{IMAGE.digest.hex}"] = make_image(created=None).manifest.raw
    with (
        opened(make_tar(tmp_path / "b.tar", members)) as archive,
        pytest.raises(ContentError, match=IMAGE.digest.hex),
    ):
        archive.manifest(Tag("v1"))
    members = {
        "c.json": config_of(make_layer("told")),
        "l.tar": LAYER,
        "manifest.json": manifest_json(saved("c.json", ["l.tar"], "a:1")),
    }
    with opened(make_tar(tmp_path / "c.tar", members)) as archive:
        (layer,) = archive.manifest(Tag("1")).layers
        with pytest.raises(ContentError, match="digest is"):
            b"".join(archive.blob(layer.digest, layer.size))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not a tar"),
        (b"hello\n", "not a tar"),
        (b"<!doctype html>" * 100, "not a tar"),
        (bytes(10240), "not a tar"),
        (b"BZh91AY", "bzip2; regbot reads gzip and zstd"),
        (b"\xfd7zXZ\0", "xz; regbot reads"),
        (gzip.compress(b"hello", mtime=0), "not a tar"),
        (gzip.compress(b"hello" * 999, mtime=0)[:-9], "can't be unpacked as gzip"),
        (b"\x1f\x8bnonsense", "can't be unpacked as gzip"),
        (b"\x28\xb5\x2f\xfdnonsense", "can't be unpacked as zstd"),
    ],
)
def test_what_is_no_tar_is_said_to_be_none(tmp_path, content, why) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    refused(tmp_path / "a.tar", why)


def test_a_tar_without_an_image_is_said_to_be_one(tmp_path) -> None:
    refused(make_tar(tmp_path / "a.tar", {"readme": b"x"}), "holds no image")
    members = layout(("v1", IMAGE))
    del members["oci-layout"]
    refused(make_tar(tmp_path / "a.tar", members), "without oci-layout")
    members = layout(("v1", IMAGE)) | {"oci-layout": b'{"imageLayoutVersion": "2.0"}'}
    refused(make_tar(tmp_path / "a.tar", members), "layout version '2.0'")


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_tar_cut_off_anywhere_is_never_taken_for_whole(tmp_path, pack) -> None:
    whole = make_tar(tmp_path / "a.tar", layout(("v1", IMAGE)), format=tarfile.USTAR_FORMAT)
    content = whole.read_bytes().rstrip(b"\0")
    content += bytes(-len(content) % 512)
    cut = tmp_path / "cut.tar"
    for end in {*range(0, len(content), 512), 700, len(content) - 1}:
        cut.write_bytes(pack(content[:end]))
        refused(cut, "truncated|not a tar")


def test_a_damaged_header_is_no_end(tmp_path) -> None:
    file = make_tar(tmp_path / "a.tar", layout(("v1", IMAGE)))
    content = bytearray(file.read_bytes())
    content[1024:1034] = b"\xff" * 10
    file.write_bytes(content)
    refused(file, "is damaged")


def header(kind: bytes, size: int, name: str = "x") -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (header(tarfile.REGTYPE, 2**60), "size|truncated"),
        (header(tarfile.GNUTYPE_LONGNAME, 2**40), "header of"),
        (header(tarfile.XHDTYPE, 2**40), "header of"),
        (header(tarfile.XGLTYPE, 2**40), "header of"),
        (header(tarfile.XHDTYPE, 5000), "truncated"),
        (header(tarfile.XHDTYPE, 512) + bytes(512), "pax header"),
        (header(tarfile.XHDTYPE, 12) + b"12 size=-99\n".ljust(512, b"\0"), "of the size"),
        (header(tarfile.XHDTYPE, 13) + b"999 path=abc\n".ljust(512, b"\0"), "pax header"),
        (header(tarfile.XGLTYPE, 12) + b"12 path=abc\n".ljust(512, b"\0"), "pax header"),
        (header(tarfile.XHDTYPE, 0) * 50, "too many headers"),
    ],
)
def test_headers_that_lie_are_refused(tmp_path, content, why) -> None:
    body = content + header(tarfile.REGTYPE, 0) + bytes(1024)
    (tmp_path / "a.tar").write_bytes(body)
    refused(tmp_path / "a.tar", why)


def test_a_negative_size_does_not_go_round_and_round(tmp_path) -> None:
    raw = bytearray(header(tarfile.REGTYPE, 0))
    raw[124:136] = b"\xff" * 11 + b"\x00"
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    (tmp_path / "a.tar").write_bytes(bytes(raw) + bytes(1024))
    refused(tmp_path / "a.tar", "of the size")


def test_endless_members_are_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tar_members, "MOST_MEMBERS", 50)
    file = make_tar(tmp_path / "a.tar", {f"f{number}": b"" for number in range(60)})
    refused(file, "more members than the limit of 50")


def test_a_bomb_is_refused_before_the_disk_is_full(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(compression, "FREE_SIZE", 1_000_000)
    for pack in (gzip.compress, zstandard.ZstdCompressor().compress):
        (tmp_path / "a.tar.gz").write_bytes(pack(bytes(20_000_000)))
        refused(tmp_path / "a.tar.gz", "unpacks to more than")


BOMB = """
import resource, sys
from pathlib import Path
from regbot.errors import ContentError
from regbot.image.archive_read import open_archive
from regbot.oci.tag import Tag
resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
try:
    with open_archive(Path(sys.argv[1]), blob_limit=100_000) as archive:
        print(archive.tags())
except ContentError as error:
    print(error)
"""


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_a_bomb_in_a_layer_takes_no_memory(tmp_path, codec) -> None:
    """Its digest is found out by unpacking 900 MB; a process with 600 MB does it."""
    compressor = zstandard.ZstdCompressor(level=1)
    pack = compressor.compress if codec == "zstd" else lambda raw: gzip.compress(raw, 1, mtime=0)
    bomb = pack(bytes(30_000_000)) * 30
    members = {
        "c.json": config_of(LAYER),
        "l.tar": bomb,
        "manifest.json": manifest_json(saved("c.json", ["l.tar"], "a:1")),
    }
    file = make_tar(tmp_path / "a.tar", members)
    command = [sys.executable, "-c", BOMB, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "unpacked digest is" in done.stdout, done.stderr


def test_what_is_no_regular_file_is_not_waited_for(tmp_path) -> None:
    os.mkfifo(tmp_path / "fifo")
    refused(tmp_path / "fifo", "named pipe, not a regular file", StorageError)
    refused(tmp_path, "a folder, not a regular file", StorageError)
    refused(tmp_path / "missing", os.strerror(errno.ENOENT), StorageError)


def _sample() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in (layout(("v1", IMAGE)) | {"n" * 150: b"x"}).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


SAMPLE = _sample()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(SAMPLE) - 1), st.binary(min_size=1, max_size=8)), max_size=6
    )
)
def test_no_damage_gives_anything_but_true_content_or_an_error_of_ours(tmp_path, changes) -> None:
    raw = bytearray(SAMPLE)
    for place, content in changes:
        raw[place : place + len(content)] = content
    (tmp_path / "a.tar").write_bytes(raw)
    with suppress(RegbotError), opened(tmp_path / "a.tar") as archive:
        for name in archive.tags():
            manifest = archive.manifest(name)
            assert manifest.digest == Digest.of(manifest.raw)
            for layer in manifest.layers:
                assert Digest.of(b"".join(archive.blob(layer.digest))) == layer.digest
