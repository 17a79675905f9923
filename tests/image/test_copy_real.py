"""Copies between real registries, with skopeo as a witness, and how much memory they take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.clients import Client
from support.images import make_image, make_index, make_layer, make_referrer, push
from support.pairs import layout, whole
from support.servers import docker_registry, skopeo
from support.tagged import delete_tag

from regbot.errors import NotSupported
from regbot.image.copy import copy_image
from regbot.image.options import CopyOptions
from regbot.image.removal import RemoveTag, plan_removal
from regbot.oci.digest import Digest
from regbot.oci.tag import Tag
from regbot.stopping import Stop

MEBIBYTE = 1024 * 1024

COPY = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from support.clients import Client
from support.pairs import layout
from regbot.image.copy import copy_image
from regbot.oci.tag import Tag
from regbot.stopping import Stop

with Client(sys.argv[1]) as client:
    target = client.store("big/copy") if sys.argv[2] == "-" else layout(Path(sys.argv[2]))
    source = client.store("big/app") if sys.argv[2] == "-" else client.store("big/copy")
    if sys.argv[2] == "-":
        target.mount_blob = lambda digest, source: False
    copy_image(source, Tag("v1"), target, Tag("v1"), stop=Stop())
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with docker_registry(tmp_path_factory.mktemp("real")) as found:
        yield found


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    with docker_registry(tmp_path_factory.mktemp("other")) as found:
        yield found


def images():
    return make_index(
        {
            "linux/amd64": make_image(layers=[make_layer("base"), make_layer("amd")]),
            "linux/arm64": make_image(platform="linux/arm64", layers=[make_layer("base")]),
        }
    )


def copy(source, name, target, target_name, **options):
    return copy_image(source, name, target, target_name, CopyOptions(**options), stop=Stop())


def raw(place):
    flags = ["--tls-verify=false"] if place.startswith("docker://") else []
    return skopeo("inspect", "--raw", *flags, place).stdout.encode()


def test_skopeo_reads_what_was_copied_from_registry_to_registry_to_folder(
    registry, other, tmp_path
):
    index = images()
    with Client(registry.host) as here, Client(other.host) as there:
        push(here.store("a/app"), index, "v1")
        push(here.store("a/app"), make_referrer(index.manifest))
        copy(here.store("a/app"), "v1", there.store("b/app"), "v1", referrers=True)
        copy(there.store("b/app"), "v1", layout(tmp_path / "out"), "v1", referrers=True)
        assert len(there.store("b/app").referrers(index.digest)) == 1
    assert len(layout(tmp_path / "out").referrers(index.digest)) == 1
    assert raw(f"docker://{other.host}/b/app:v1") == index.manifest.raw
    assert raw(f"oci:{tmp_path}/out:v1") == index.manifest.raw
    skopeo("copy", "--all", "--preserve-digests", f"oci:{tmp_path}/out:v1", f"dir:{tmp_path}/all")


def test_what_skopeo_wrote_is_copied_back_with_its_digest(registry, other, tmp_path):
    index = images()
    with Client(registry.host) as here, Client(other.host) as there:
        push(here.store("c/app"), index, "v1")
        place = f"docker://{registry.host}/c/app:v1"
        flags = ["--all", "--preserve-digests", "--src-tls-verify=false"]
        skopeo("copy", *flags, place, f"oci:{tmp_path}/written:v1")
        copy(layout(tmp_path / "written"), "v1", there.store("c/back"), "v1")
        assert whole(there.store("c/back"), "v1") == whole(here.store("c/app"), "v1")


def test_blobs_are_mounted_within_the_registry(registry):
    with Client(registry.host) as client:
        push(client.store("d/app"), images(), "v1")
        client.events.clear()
        copy(client.store("d/app"), "v1", client.store("d/copy"), "v1")
        sent = [event for event in client.events if getattr(event, "method", "") == "PATCH"]
        puts = [event.url for event in client.events if getattr(event, "method", "") == "PUT"]
        assert sent == []
        assert all("/manifests/" in url for url in puts)
        assert whole(client.store("d/copy"), "v1") == whole(client.store("d/app"), "v1")


def test_a_sparse_index_is_refused_with_the_reason(registry, other):
    index = images()
    with Client(registry.host) as here, Client(other.host) as there:
        push(here.store("e/app"), index, "v1")
        arm = (index.manifest.manifests[1].platform,)
        with pytest.raises(NotSupported, match="only some platforms were copied"):
            copy(here.store("e/app"), "v1", there.store("e/app"), "v1", platforms=arm)
        assert other.tags("e/app") == {}


def test_the_steps_of_a_removal_leave_the_other_tag_whole(registry):
    with Client(registry.host) as client:
        store = client.store("f/app")
        index = images()
        push(store, index, "v1")
        push(store, index.children[0], "kept")
        push(store, make_referrer(index.manifest))
        for step in plan_removal(store, Tag("v1"), children=True, referrers=True):
            if isinstance(step, RemoveTag):
                if step.tag in store.tags():
                    delete_tag(store, step.tag)
            else:
                store.delete_manifest(step.digest)
        assert store.tags() == ["kept"]
        assert whole(store, "kept")
        assert registry.digest("f/app", str(index.digest)) == ""
        assert registry.digest("f/app", str(index.children[1].digest)) == ""


def big_image(store, size):
    """Push an image with one layer of ``size`` bytes that differ."""
    piece = os.urandom(MEBIBYTE)
    layer = piece * (size // MEBIBYTE)
    image = make_image(layers=[layer])
    store.put_blob(lambda: [image.config], digest=Digest.of(image.config), size=len(image.config))
    pieces = [piece] * (size // MEBIBYTE)
    store.put_blob(lambda: pieces, digest=image.manifest.layers[0].digest, size=len(layer))
    store.put_manifest(Tag("v1"), image.manifest)
    return image


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_layer(registry, tmp_path):
    with Client(registry.host) as client:
        image = big_image(client.store("big/app"), 200 * MEBIBYTE)
        del image
    for target in ("-", str(tmp_path / "layout")):
        support = str(Path(__file__).parents[1])
        done = subprocess.run(
            [sys.executable, "-c", COPY, registry.host, target, support],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) * 1024 < 120 * MEBIBYTE
    found = json.loads((tmp_path / "layout" / "index.json").read_text())
    assert found["manifests"][0]["annotations"] == {"org.opencontainers.image.ref.name": "v1"}
