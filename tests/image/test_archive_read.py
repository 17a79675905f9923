"""Reading tars of images, as other tools write them."""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile

import pytest
import zstandard
from support.archives import config_of, layout, link, make_tar, manifest_json, opened, saved
from support.images import descriptor, make_image, make_index, make_layer, make_referrer, push

from regbot.errors import ContentError, InvalidValue, NotFound, Stopped, StorageError
from regbot.oci.digest import Digest
from regbot.oci.manifest import OCI_MANIFEST
from regbot.oci.reference import Reference
from regbot.oci.referrers import fallback_tag, with_referrer
from regbot.oci.tag import Tag
from regbot.stopping import Stop
from regbot.store.ocidir import OciDirStore

ONE, TWO = make_layer("one"), make_layer("two")


def test_old_docker_save_with_links_between_its_layers(tmp_path) -> None:
    config = config_of(ONE, TWO)
    file = make_tar(
        tmp_path / "a.tar",
        {
            "aa/VERSION": b"1.0",
            "aa/json": b"{}",
            "aa/layer.tar": ONE,
            "bb/layer.tar": link("../cc/layer.tar"),
            "cc/layer.tar": TWO,
            "dd.json": config,
            "manifest.json": manifest_json(
                saved("dd.json", ["aa/layer.tar", "bb/layer.tar"], "app:v1", "h.test:5000/app:v2")
            ),
            "repositories": b"{}",
        },
    )
    with opened(file) as archive:
        assert archive.tags() == ["v1", "v2"]
        assert archive.tags(limit=1) == ["v1"]
        assert archive.tags(last="v1") == ["v2"]
        manifest = archive.manifest(Tag("v1"))
        assert archive.default_name == manifest.digest
        assert manifest == archive.manifest(Tag("v2")) == archive.manifest(manifest.digest)
        assert manifest.media_type == OCI_MANIFEST
        assert [layer.digest for layer in manifest.layers] == [Digest.of(ONE), Digest.of(TWO)]
        assert b"".join(archive.blob(Digest.of(TWO), len(TWO))) == TWO
        assert b"".join(archive.blob(Digest.of(config))) == config


def test_what_docker_saved_has_the_same_digest_each_time_and_however_packed(tmp_path) -> None:
    config = config_of(ONE)
    members = {
        "c.json": config,
        "l.tar": ONE,
        "manifest.json": manifest_json(saved("c.json", ["l.tar"], "a:1")),
    }
    plain = make_tar(tmp_path / "a.tar", members)
    other = make_tar(tmp_path / "b.tar", dict(reversed(members.items())))
    packed = tmp_path / "c"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    digests = set()
    for file in (plain, other, packed):
        with opened(file) as archive:
            digests.add(str(archive.manifest(Tag("1")).digest))
    expected = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor(ONE, "application/vnd.oci.image.layer.v1.tar")],
    }
    raw = json.dumps(expected, separators=(",", ":")).encode()
    assert digests == {f"sha256:{hashlib.sha256(raw).hexdigest()}"}


@pytest.mark.parametrize(
    ("codec", "compress"),
    [("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress)],
)
def test_packed_layers_stay_packed_and_are_checked_unpacked(tmp_path, codec, compress) -> None:
    packed = compress(ONE)
    members = {
        "sha256:abc": config_of(ONE),
        "1.tar.gz": packed,
        "manifest.json": manifest_json(saved("sha256:abc", ["1.tar.gz"], "a:1")),
    }
    with opened(make_tar(tmp_path / "a.tar", members)) as archive:
        (layer,) = archive.manifest(Tag("1")).layers
        assert layer.digest == Digest.of(packed)
        assert layer.media_type == f"application/vnd.oci.image.layer.v1.tar+{codec}"
        assert b"".join(archive.blob(layer.digest, layer.size)) == packed
    members["sha256:abc"] = config_of(TWO)
    with (
        pytest.raises(ContentError, match="unpacked digest"),
        opened(make_tar(tmp_path / "a.tar", members)),
    ):
        pass


def test_new_docker_save_counts_as_the_layout_it_is(tmp_path) -> None:
    image = make_image()
    members = layout(("v1", image))
    config = f"blobs/sha256/{image.manifest.config.digest.hex}"
    layers = [f"blobs/sha256/{layer.digest.hex}" for layer in image.manifest.layers]
    members["manifest.json"] = manifest_json(saved(config, layers, "other:name"))
    with opened(make_tar(tmp_path / "a.tar", members)) as archive:
        assert archive.tags() == ["v1"]
        assert archive.manifest(Tag("v1")) == image.manifest


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_tar_is_read(tmp_path, form) -> None:
    image = make_image()
    members = {f"./{name}": content for name, content in layout(("v1", image)).items()}
    long = "x" * 90 + "/" + "y" * 90
    members |= {long: b"long name"}
    with opened(make_tar(tmp_path / "a.tar", members, format=form)) as archive:
        assert archive.manifest(Tag("v1")) == image.manifest


def test_long_names_of_layers_and_links_are_read(tmp_path) -> None:
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        folder = "d" * 150
        members = {
            f"{folder}/ü.json": config_of(ONE, TWO),
            f"{folder}/real.tar": ONE,
            "one.tar": link(f"{folder}/real.tar"),
            "two.tar": TWO,
            "hard.tar": link("two.tar", tarfile.LNKTYPE),
            "manifest.json": manifest_json(
                saved(f"{folder}/ü.json", ["one.tar", "hard.tar"], "a:1")
            ),
        }
        with opened(make_tar(tmp_path / "a.tar", members, format=form)) as archive:
            for layer, content in zip(archive.manifest(Tag("1")).layers, (ONE, TWO), strict=True):
                assert b"".join(archive.blob(layer.digest, layer.size)) == content


def test_several_images_need_a_name(tmp_path) -> None:
    first, second = make_image(), make_image(created=None)
    members = layout(("v1", first), ("v2", second))
    with opened(make_tar(tmp_path / "a.tar", members)) as archive:
        with pytest.raises(InvalidValue, match="several images: v1, v2"):
            _ = archive.default_name
        assert archive.manifest(Tag("v2")) == second.manifest


def test_one_tag_on_several_images_is_not_guessed_at(tmp_path) -> None:
    """``docker save app:v1 other:v1`` gives both the tag v1."""
    first, second = make_image(), make_image(created=None)
    members = layout(("v1", first), ("v1", second))
    with opened(make_tar(tmp_path / "a.tar", members)) as archive:
        with pytest.raises(ContentError, match="stands for several") as caught:
            archive.manifest(Tag("v1"))
        assert str(first.digest) in str(caught.value)
        assert archive.manifest(second.digest) == second.manifest


def test_referrers_and_signatures_do_not_hide_the_only_image(tmp_path) -> None:
    image = make_image()
    referrer = make_referrer(image.manifest)
    store = OciDirStore(Reference.parse(f"ocidir://{tmp_path}/layout"))
    push(store, image, "v1")
    push(store, referrer)
    file = tmp_path / "a.tar"
    with tarfile.open(file, "w") as tar:
        tar.add(tmp_path / "layout", ".")
    with opened(file) as archive:
        assert fallback_tag(image.digest) in archive.tags()
        assert archive.default_name == image.digest
        (found,) = archive.referrers(image.digest)
        assert found.digest == referrer.digest
        listing = with_referrer(None, referrer.manifest)
        assert archive.manifest(fallback_tag(image.digest)).manifests == listing.manifests
        assert archive.referrers(referrer.digest) == []


def test_untagged_images_are_found(tmp_path) -> None:
    image = make_image()
    with opened(make_tar(tmp_path / "a.tar", layout(("", image)))) as archive:
        assert archive.tags() == []
        assert archive.manifest(archive.default_name) == image.manifest
    with (
        opened(make_tar(tmp_path / "b.tar", layout())) as archive,
        pytest.raises(NotFound, match="no image"),
    ):
        _ = archive.default_name


def test_what_is_not_there_is_not_found(tmp_path) -> None:
    other = Digest.of(b"other")
    with opened(make_tar(tmp_path / "a.tar", layout(("v1", make_image())))) as archive:
        for ask in (
            lambda: archive.manifest(Tag("v2")),
            lambda: archive.head(Tag("v2")),
            lambda: archive.manifest(other),
            lambda: archive.blob_size(other),
            lambda: archive.blob(other),
        ):
            with pytest.raises(NotFound):
                ask()


def test_several_blobs_are_read_side_by_side(tmp_path) -> None:
    index = make_index({"linux/amd64": make_image(layers=[ONE]), "linux/arm64": make_image()})
    with opened(make_tar(tmp_path / "a.tar", layout(("v1", index)))) as archive:
        wanted = [item for child in index.children for item in child.blobs.items()]
        streams = [archive.blob(digest, len(content)) for digest, content in wanted]
        firsts = [next(stream) for stream in streams]
        rests = [b"".join(stream) for stream in streams]
        assert [a + b for a, b in zip(firsts, rests, strict=True)] == [raw for _, raw in wanted]


def test_a_packed_archive_leaves_no_file_behind(tmp_path) -> None:
    plain = make_tar(tmp_path / "a.tar", layout(("v1", make_image())))
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with opened(packed, scratch=scratch) as archive:
        assert list(scratch.iterdir()) == []
        assert archive.tags() == ["v1"]
    with pytest.raises(StorageError, match="missing"), opened(packed, scratch=tmp_path / "missing"):
        pass


def test_a_stop_ends_reading(tmp_path) -> None:
    image = make_image()
    plain = make_tar(tmp_path / "a.tar", layout(("v1", image)))
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    stop = Stop()
    with opened(plain, stop=stop) as archive:
        stop.ask()
        with pytest.raises(Stopped):
            b"".join(archive.blob(image.manifest.layers[0].digest))
    with pytest.raises(Stopped), opened(packed, stop=stop):
        pass
