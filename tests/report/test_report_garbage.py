"""The bytes of a report are those that the registry's own garbage collection frees.

Measured in the files of a real docker-registry (distribution 2.8). Each child of an
index that stays has a tag there, as its ``--delete-untagged`` takes the others too.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from random import Random

import pytest
from support.clients import Client
from support.images import make_image, make_index, push
from support.ran import delete_manifest, delete_tags, reported
from support.servers import docker_registry, program

from regbot.oci.reference import Reference
from regbot.store.opener import OpenStores
from regbot.store.overlay_stores import OverlayStores

KIBIBYTE = 1024


def bytes_on_disk(registry) -> int:
    blobs = registry.folder / "storage" / "docker" / "registry" / "v2" / "blobs"
    return sum(path.stat().st_size for path in Path(blobs).rglob("data"))


def collect_garbage(registry) -> None:
    config = str(registry.folder / "config.yml")
    command = [program("docker-registry"), "garbage-collect", "--delete-untagged", config]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def layers(random: Random, *sizes: int) -> list[bytes]:
    return [random.randbytes(size * KIBIBYTE) for size in sizes]


def fill(app, other) -> None:
    """Images that share layers within a repository and across two."""
    random = Random(7)
    base, both, mounted, twice = layers(random, 300, 250, 200, 150)
    push(app, make_image(layers=[base, *layers(random, 100)]), "old1")
    push(app, make_image(layers=[base, both, *layers(random, 110)]), "old2")
    push(app, make_image(layers=[base, both, *layers(random, 120)]), "old3")
    push(app, make_image(layers=[base, mounted, twice]), "old4")
    push(app, make_image(layers=[base, *layers(random, 130)]), "keep")
    same = make_image(layers=[base, *layers(random, 140)])
    push(app, same, "gone-name")
    push(app, same, "kept-name")
    going, staying = (
        make_index(
            {
                name: make_image(platform=name, layers=[base, *layers(random, 160)])
                for name in ("linux/amd64", "linux/arm64")
            }
        )
        for _ in range(2)
    )
    push(app, going, "multi-old")
    push(app, staying, "multi")
    for number, child in enumerate(staying.children):
        push(app, child, f"multi-{number}")
    push(other, make_image(layers=[mounted, *layers(random, 170)]), "keep")
    push(other, make_image(layers=[twice, *layers(random, 180)]), "old")


@pytest.fixture
def filled(tmp_path):
    with docker_registry(tmp_path / "registry") as registry, Client(registry.host) as client:
        fill(client.store("team/app"), client.store("team/other"))
        yield registry, OpenStores(client.exchange)


OLD = ("old1", "old2", "old3", "old4", "gone-name", "multi-old")


def test_the_bytes_are_what_garbage_collection_frees(filled):
    registry, stores = filled
    app = Reference("registry", registry.host, "team/app")
    other = Reference("registry", registry.host, "team/other")

    planned = OverlayStores(stores)
    outcomes = delete_tags(planned, app, *OLD, status="planned")
    outcomes += delete_tags(planned, other, "old", status="planned")
    dry = reported(outcomes, planned, dry_run=True)
    before = bytes_on_disk(registry)

    outcomes = delete_tags(stores, app, *OLD) + delete_tags(stores, other, "old")
    live = reported(outcomes, stores)
    collect_garbage(registry)
    freed = before - bytes_on_disk(registry)

    assert freed > 1000 * KIBIBYTE
    assert live.bytes_known == pytest.approx(freed, rel=0.01)
    assert live.lines_unknown == 0
    assert live.repositories == dry.repositories
    assert [(line.tags_before, line.deleted, line.kept) for line in live.repositories] == [
        (11, 6, 5),
        (2, 1, 1),
    ]


def test_manifests_deleted_by_digest_count_the_same_way(filled):
    registry, stores = filled
    app = Reference("registry", registry.host, "team/app")
    before = bytes_on_disk(registry)
    digests = [stores.open(app).head(tag).digest for tag in ("kept-name", "multi-old")]
    found = reported([delete_manifest(stores, app, digest) for digest in digests], stores)
    collect_garbage(registry)
    freed = before - bytes_on_disk(registry)
    assert freed > 400 * KIBIBYTE
    assert found.bytes_known == pytest.approx(freed, rel=0.01)
    assert stores.open(app).tags() == ["keep", "multi", "multi-0", "multi-1", *OLD[:4]]
