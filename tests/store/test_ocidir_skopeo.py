"""skopeo as an independent witness: it reads what regbot writes, and the other way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.images import make_image, make_index, push
from support.tagged import delete_tag

from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.store.ocidir import OciDirStore

pytestmark = pytest.mark.skipif(
    shutil.which("skopeo") is None and os.environ.get("CI") != "true",
    reason="skopeo is not installed",
)


def skopeo(*arguments: str) -> str:
    command = ["skopeo", "--insecure-policy", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_reads_what_we_write(folder) -> None:
    image = make_image(labels={"build": "7"}, created="2024-05-01T10:00:00Z")
    push(folder.store, image, "v1")
    push(folder.store, make_image(created=None), "v2")
    delete_tag(folder.store, Tag("v2"))
    folder.store.collect_garbage(grace=-1)
    seen = json.loads(skopeo("inspect", f"oci:{folder.path}:v1"))
    assert seen["Labels"] == {"build": "7"}
    assert seen["Created"] == "2024-05-01T10:00:00Z"
    raw = skopeo("inspect", "--raw", f"oci:{folder.path}:v1")
    assert raw.encode() == image.manifest.raw


def test_copies_all_of_an_index_that_we_wrote(folder, tmp_path: Path) -> None:
    children = {"linux/amd64": make_image(), "linux/arm64": make_image(platform="linux/arm64")}
    index = make_index(children)
    push(folder.store, index, "multi")
    target = f"oci:{tmp_path}/copied:again"
    skopeo("copy", "--all", "--preserve-digests", f"oci:{folder.path}:multi", target)
    copied = OciDirStore(Reference.parse(f"ocidir://{tmp_path}/copied"))
    assert copied.tags() == ["again"]
    assert copied.head(Tag("again")).digest == index.digest
    for child in children.values():
        found = copied.manifest(child.digest)
        assert found.raw == child.manifest.raw
        for layer in found.layers:
            assert sum(map(len, copied.blob(layer.digest, layer.size))) == layer.size


def test_adds_to_our_layout_and_we_to_its(folder) -> None:
    first, second = make_image(), make_image(created=None)
    push(folder.store, first, "first")
    push(folder.store, second, "second")
    skopeo("copy", f"oci:{folder.path}:first", f"oci:{folder.path}:docker.io/library/app:third")
    assert folder.store.tags() == ["first", "second", "third"]
    delete_tag(folder.store, Tag("first"))
    folder.store.collect_garbage(grace=-1)
    raw = skopeo("inspect", "--raw", f"oci:{folder.path}:docker.io/library/app:third")
    assert raw.encode() == first.manifest.raw
