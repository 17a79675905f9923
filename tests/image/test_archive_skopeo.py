"""skopeo as an independent witness: it reads what we write, and the other way."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
import zstandard
from support.images import make_image, make_index, make_layer, push
from support.pairs import named
from support.servers import docker_registry, skopeo

from regbot.events import ignore
from regbot.image.archive_read import open_archive
from regbot.image.archive_write import write_archive
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.stopping import Stop
from regbot.store.ocidir import OciDirStore

LIMIT = 100_000


@pytest.fixture
def store(tmp_path: Path) -> OciDirStore:
    return OciDirStore(Reference.parse(f"ocidir://{tmp_path}/layout"))


def write(store, name: str | Digest, path: Path) -> None:
    repository = "registry.test/team/app"
    write_archive(store, named(name), path, repository_name=repository, stop=Stop(), emit=ignore)


def two_layers(**options):
    return make_image(layers=[make_layer("one"), make_layer("two")], **options)


def local_platform() -> str:
    machine = os.uname().machine
    return "linux/" + {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def blobs_in(folder: Path) -> dict[str, bytes]:
    """The files of a skopeo ``dir:`` that are blobs, by hex digest."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if len(path.name) == 64}


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
def test_reads_our_layout_with_all_platforms(store, tmp_path, ending) -> None:
    other = two_layers(platform="linux/s390x")
    index = make_index({local_platform(): two_layers(), "linux/s390x": other})
    push(store, index, "v1")
    file = tmp_path / f"a.{ending}"
    write(store, "v1", file)
    target = tmp_path / "copied"
    skopeo("copy", "--all", "--preserve-digests", f"oci-archive:{file}:v1", f"dir:{target}")
    assert (target / "manifest.json").read_bytes() == index.manifest.raw
    for child in index.children:
        for digest, content in child.blobs.items():
            assert blobs_in(target)[digest.hex] == content


@pytest.mark.parametrize("ending", ["tar", "tar.zst"])
@pytest.mark.parametrize("docker", [False, True])
def test_loads_our_image_as_docker_does(store, tmp_path, ending, docker) -> None:
    """Not with gzip: skopeo 1.9 fails on docker archives packed so, its own too."""
    image = two_layers(docker=docker, platform=local_platform())
    push(store, make_index({local_platform(): image}, docker=docker), "v1")
    file = tmp_path / f"a.{ending}"
    write(store, "v1", file)
    target = tmp_path / "copied"
    skopeo("copy", f"docker-archive:{file}:registry.test/team/app:v1", f"dir:{target}")
    found = blobs_in(target)
    assert {digest.hex: content for digest, content in image.blobs.items()} == found


def test_loads_packed_layers_of_ours(store, tmp_path) -> None:
    plain = make_layer("packed")
    image = two_layers(platform=local_platform())
    push(store, image, "plain")
    layout = f"oci:{tmp_path}/layout"
    skopeo("copy", "--dest-compress-format", "gzip", f"{layout}:plain", f"oci:{tmp_path}/gz:v1")
    packed = OciDirStore(Reference.parse(f"ocidir://{tmp_path}/gz"))
    assert packed.manifest(Tag("v1")).layers[0].media_type.endswith("gzip")
    write(packed, "v1", tmp_path / "a.tar")
    skopeo("copy", f"docker-archive:{tmp_path}/a.tar", f"dir:{tmp_path}/copied")
    assert blobs_in(tmp_path / "copied").keys() >= {
        layer.digest.hex for layer in image.manifest.layers
    }
    assert plain not in blobs_in(tmp_path / "copied").values()


def test_we_read_its_layout_archive_to_the_byte(store, tmp_path) -> None:
    index = make_index({"linux/amd64": two_layers(), "linux/arm64": make_image()})
    push(store, index, "v1")
    file = tmp_path / "theirs.tar"
    skopeo(
        "copy",
        "--all",
        "--preserve-digests",
        f"oci:{tmp_path}/layout:v1",
        f"oci-archive:{file}:docker.io/me/app:v9",
    )
    with open_archive(file, blob_limit=LIMIT) as archive:
        assert archive.tags() == ["v9"]
        assert archive.manifest(Tag("v9")) == index.manifest
        assert archive.default_name == index.digest
        for child in index.children:
            assert archive.manifest(child.digest).raw == child.manifest.raw
            for digest, content in child.blobs.items():
                assert b"".join(archive.blob(digest)) == content


def pack(path: Path, how: str) -> Path:
    if how == "plain":
        return path
    target = path.with_name(f"packed-{how}")
    compress = gzip.compress if how == "gzip" else zstandard.ZstdCompressor().compress
    target.write_bytes(compress(path.read_bytes()))
    return target


@pytest.mark.parametrize("how", ["plain", "gzip", "zstd"])
def test_we_read_its_docker_archive(store, tmp_path, how) -> None:
    image = two_layers(labels={"build": "7"})
    push(store, image, "v1")
    file = tmp_path / "theirs.tar"
    skopeo("copy", f"oci:{tmp_path}/layout:v1", f"docker-archive:{file}:registry.test/me/app:v9")
    with tarfile.open(file) as tar:
        assert any(member.issym() for member in tar), "docker's links between layers"
    with open_archive(pack(file, how), blob_limit=LIMIT) as archive:
        assert archive.tags() == ["v9"]
        manifest = archive.manifest(Tag("v9"))
        assert [layer.digest for layer in manifest.layers] == [
            layer.digest for layer in image.manifest.layers
        ]
        for layer in manifest.layers:
            content = b"".join(archive.blob(layer.digest, layer.size))
            assert content == image.blobs[layer.digest]
        config = json.loads(b"".join(archive.blob(manifest.config.digest, manifest.config.size)))
        assert config["config"]["Labels"] == {"build": "7"}


def test_what_it_saved_for_docker_goes_to_a_registry_and_back(store, tmp_path) -> None:
    image = two_layers(platform=local_platform())
    push(store, image, "v1")
    file = tmp_path / "theirs.tar"
    skopeo("copy", f"oci:{tmp_path}/layout:v1", f"docker-archive:{file}:registry.test/me/app:v9")
    copied = OciDirStore(Reference.parse(f"ocidir://{tmp_path}/copied"))
    with open_archive(file, blob_limit=LIMIT) as archive:
        manifest = archive.manifest(archive.default_name)
        for part in (manifest.config, *manifest.layers):
            copied.put_blob(
                lambda part=part: archive.blob(part.digest, part.size),
                digest=part.digest,
                size=part.size,
            )
        copied.put_manifest(Tag("v9"), manifest)
    with docker_registry(tmp_path / "registry") as registry:
        there = f"docker://{registry.host}/me/app:v9"
        plain = ("--src-tls-verify=false", "--dest-tls-verify=false", "--preserve-digests")
        skopeo("copy", *plain, f"oci:{tmp_path}/copied:v9", there)
        assert registry.digest("me/app", "v9") == str(manifest.digest)
        seen = json.loads(skopeo("inspect", "--tls-verify=false", there).stdout)
    assert seen["Layers"] == [str(layer.digest) for layer in image.manifest.layers]


def test_an_image_pushed_from_an_archive_has_the_same_digest(store, tmp_path) -> None:
    image = two_layers(platform=local_platform())
    push(store, image, "v1")
    write(store, "v1", tmp_path / "a.tar.gz")
    with docker_registry(tmp_path / "registry") as registry:
        there = f"docker://{registry.host}/me/app:v1"
        archive = f"oci-archive:{tmp_path}/a.tar.gz:v1"
        skopeo("copy", "--dest-tls-verify=false", "--preserve-digests", archive, there)
        assert registry.digest("me/app", "v1") == str(image.digest)


def test_several_images_saved_at_once_are_told_apart(store, tmp_path) -> None:
    """As ``docker save one two`` writes them: docker's own tools make one file of both."""
    folder = tmp_path / "both"
    saved = []
    for name in ("one", "two"):
        push(store, make_image(labels={"name": name}), name)
        file = tmp_path / f"{name}.tar"
        skopeo("copy", f"oci:{tmp_path}/layout:{name}", f"docker-archive:{file}:me/app:{name}")
        with tarfile.open(file) as tar:
            tar.extractall(folder, filter="data")
        saved += json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(saved))
    subprocess.run(["tar", "-cf", tmp_path / "both.tar", "-C", folder, "."], check=True)
    with open_archive(tmp_path / "both.tar", blob_limit=LIMIT) as archive:
        assert archive.tags() == ["one", "two"]
        labels = []
        for name in archive.tags():
            config = archive.manifest(name).config
            raw = b"".join(archive.blob(config.digest, config.size))
            assert Digest.of(raw) == config.digest
            labels.append(json.loads(raw)["config"]["Labels"]["name"])
        assert labels == ["one", "two"]
