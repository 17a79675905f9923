"""Copies of images that share layers, from one registry to another: at first, and again."""

from __future__ import annotations

import http.client
import json
import os
import shutil
from collections.abc import Mapping

from support.command import environment
from support.servers import docker_registry

from benchmark.filling import CONFIG, LAYER, MANIFEST, Uploader, descriptor, image_config
from benchmark.measuring import Cost, measure
from benchmark.site import Trial

IMAGES = 20
SHARED = 4
"""Layers that all images have; together they are half of all bytes."""
AT_ONCE = 4
"""Images that regbot copies at once; regsync is told the same number."""


def put_images(host: str, repository: str, mebibytes: int) -> None:
    """Put images that have some layers in common, and one of their own."""
    uploader = Uploader(http.client.HTTPConnection(host, timeout=60), repository)
    shared = [_put_layer(uploader, mebibytes / 2 / SHARED) for _ in range(SHARED)]
    for number in range(IMAGES):
        config = image_config(number)
        uploader.blob(config)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, config),
            "layers": [*shared, _put_layer(uploader, mebibytes / 2 / IMAGES)],
        }
        uploader.manifest(f"v{number}", json.dumps(manifest).encode())
    uploader.connection.close()


def _put_layer(uploader: Uploader, mebibytes: float) -> dict[str, object]:
    layer = os.urandom(int(mebibytes * 1024 * 1024))
    uploader.blob(layer)
    return descriptor(LAYER, layer)


def sync(trial: Trial) -> Mapping[str, Cost]:
    """Copy all tags to a registry of its own, and then again, when nothing is to be done."""
    site = trial.site
    folder = site.new_folder()
    with docker_registry(folder, binary=site.binary) as target:
        line = command(trial, site.registry.host, target.host)
        first, again = (
            measure(line, environment(trial.home), trial.home) for _ in ("first", "again")
        )
        if len(target_tags(target.host, site.shared)) != IMAGES:
            raise ValueError("a tag is missing at the target")
    shutil.rmtree(folder)
    name = f"sync of {IMAGES} images, {site.sizes.mebibytes} MiB"
    return {name: first, f"{name}, again": again}


def target_tags(host: str, repository: str) -> list[str]:
    """The tags of a repository."""
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request("GET", f"/v2/{repository}/tags/list")
    tags: list[str] = json.loads(connection.getresponse().read()).get("tags") or []
    connection.close()
    return tags


def command(trial: Trial, source: str, target: str) -> list[str]:
    """The command that copies all tags from one host to another."""
    repository, program = trial.site.shared, trial.program
    if program.kind == "skopeo":
        flags = ["--all", "--src-tls-verify=false", "--dest-tls-verify=false"]
        places = ["--src", "docker", "--dest", "docker", f"{source}/{repository}"]
        above = repository.rpartition("/")[0]
        return [
            program.executable,
            "--insecure-policy",
            "sync",
            *flags,
            *places,
            f"{target}/{above}",
        ]
    config = {
        "version": 1,
        "creds": [{"registry": host, "tls": "disabled"} for host in (source, target)],
        "defaults": {"parallel": AT_ONCE},
        "sync": [
            {
                "source": f"{source}/{repository}",
                "target": f"{target}/{repository}",
                "type": "repository",
            }
        ],
    }
    path = trial.home / "sync.yml"
    path.write_text(json.dumps(config))
    return [program.executable, "once", "-c", str(path), "-v", "warn"]
