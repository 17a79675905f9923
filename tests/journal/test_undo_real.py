"""Undo on a real docker-registry, before and after it collected garbage."""

from __future__ import annotations

import json
import subprocess

import pytest
from support.clients import Client
from support.images import make_image, make_index, make_layer, push
from support.journals import begin, delete_digest
from support.servers import docker_registry, program, skopeo, skopeo_tags
from support.undoing import door_to

from regbot.journal.opening import open_journal
from regbot.journal.undo import undo
from regbot.oci.reference import Reference
from regbot.stopping import Stop
from regbot.store.opener import OpenStores

INDEX = make_index(
    {
        "linux/amd64": make_image(layers=[make_layer("shared"), make_layer("amd")]),
        "linux/arm64": make_image(
            platform="linux/arm64", layers=[make_layer("shared"), make_layer("arm")]
        ),
    }
)


@pytest.mark.parametrize("collected", [False, True])
def test_an_index_of_a_real_registry(tmp_path, collected):
    with (
        docker_registry(tmp_path / "registry") as registry,
        Client(registry.host) as client,
        open_journal(tmp_path / "state") as journal,
    ):
        stores = OpenStores(client.exchange, mirrors=False)
        store = stores.open(Reference.parse(f"{registry.host}/team/app"))
        for tag in ("v1", "latest"):
            push(store, INDEX, tag)
        run = begin(journal)
        for digest in (INDEX.digest, *(child.digest for child in INDEX.children)):
            delete_digest(run, store, digest)
        assert registry.tags("team/app") == {}
        if collected:
            config = str(tmp_path / "registry" / "config.yml")
            command = [program("docker-registry"), "garbage-collect", "--delete-untagged", config]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        found = undo(journal, run.id, door_to(stores, Stop()), stop=Stop())
        if collected:
            assert {undone.status for undone in found} == {"failed"}
            assert "garbage collection has removed 5 of 5 blobs" in found[-1].detail
            assert registry.tags("team/app") == {}
            return
        assert "failed" not in {undone.status for undone in found}
        assert skopeo_tags(registry.host, "team/app") == ["latest", "v1"]
        image = f"docker://{registry.host}/team/app:latest"
        copy = ("copy", "--all", "--preserve-digests", "--src-tls-verify=false")
        skopeo(*copy, image, f"oci:{tmp_path}/copy:v1")
        index = json.loads((tmp_path / "copy" / "index.json").read_text())
        assert index["manifests"][0]["digest"] == str(INDEX.digest)
