"""Copies of one large image to an empty registry, which skopeo can do too.

Without a delay the proxies are left out, since carrying every byte costs them as much time
as the copy takes; so requests are only counted where there is a delay.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from support.command import environment
from support.servers import docker_registry

from benchmark.filling import CONFIG, LAYER, MANIFEST, Uploader, descriptor, image_config
from benchmark.measuring import Cost, measure
from benchmark.network import delaying_proxy
from benchmark.site import Trial

LAYERS = 4
TAG = "v1"


def put_large_image(host: str, repository: str, mebibytes: int) -> None:
    """Put an image whose layers are random bytes."""
    uploader = Uploader(http.client.HTTPConnection(host, timeout=60), repository)
    descriptors = []
    for _ in range(LAYERS):
        layer = os.urandom(mebibytes * 1024 * 1024 // LAYERS)
        uploader.blob(layer)
        descriptors.append(descriptor(LAYER, layer))
    config = image_config(0)
    uploader.blob(config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, config),
        "layers": descriptors,
    }
    uploader.manifest(TAG, json.dumps(manifest).encode())
    uploader.connection.close()


def copy(trial: Trial) -> Mapping[str, Cost]:
    """Copy the large image to a registry of its own."""
    site = trial.site
    folder = site.new_folder()
    with docker_registry(folder, binary=site.binary) as target, delaying_proxy(target.host) as far:
        far.delay(trial.delay)
        site.line.requests()
        hosts = (site.line.host, far.host) if trial.delay else (site.registry.host, target.host)
        cost = measure(command(trial, *hosts), environment(trial.home), trial.home)
        if trial.delay:
            counted = Counter(site.line.requests()) + Counter(far.requests())
            cost = replace(cost, requests=counted)
    shutil.rmtree(folder)
    return {f"copy {site.sizes.mebibytes} MiB": cost}


def command(trial: Trial, source: str, target: str) -> list[str]:
    """The command that copies from one host to another."""
    image, copied = f"{source}/{trial.site.large}:{TAG}", f"{target}/{trial.site.large}:{TAG}"
    program = trial.program
    if program.kind == "skopeo":
        flags = ["--all", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"]
        images = [f"docker://{image}", f"docker://{copied}"]
        return [program.executable, "--insecure-policy", "copy", *flags, *images]
    script = f"image.copy('{image}', '{copied}')"
    config = program.write_config(trial.home / "regbot.yml", [source, target], script)
    return [program.executable, "once", "-c", str(config), "-v", "warn"]
