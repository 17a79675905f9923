"""Fills repositories of a registry with small images, by many requests at once."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

AT_ONCE = 8
SHARE_A_LAYER = 10
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def tag_name(number: int) -> str:
    """The tag of an image: names sort as the numbers do."""
    return f"v{number:06}"


def image_config(number: int) -> bytes:
    """An image config that no other image has, about as long as a small real one."""
    created = f"2024-01-{1 + number // 1440 % 28:02}T{number // 60 % 24:02}:{number % 60:02}:00Z"
    data = {
        "created": created,
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Entrypoint": ["/usr/bin/server"],
            "Labels": {"number": str(number), "org.opencontainers.image.created": created},
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64] * 2},
        "history": [{"created": created, "created_by": "COPY . /srv # buildkit"}] * 2,
    }
    return json.dumps(data).encode()


def layers_of(number: int) -> list[bytes]:
    """One layer that all images have, and one that ten of them share."""
    return [b"base", f"layer {number // SHARE_A_LAYER}".encode()]


def image_manifest(number: int) -> bytes:
    """The manifest of an image."""
    data = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, image_config(number)),
        "layers": [descriptor(LAYER, layer) for layer in layers_of(number)],
    }
    return json.dumps(data).encode()


def descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    """The JSON descriptor of bytes."""
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def digest_of(content: bytes) -> str:
    """The digest as text."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Uploader:
    """Puts content into one repository over one connection."""

    connection: http.client.HTTPConnection
    repository: str

    def blob(self, content: bytes) -> None:
        """Put a blob."""
        headers = self._ask("POST", f"/v2/{self.repository}/blobs/uploads/")
        location = urlsplit(headers["Location"])
        query = f"{location.query}&digest={digest_of(content)}".lstrip("&")
        self._ask("PUT", f"{location.path}?{query}", content)

    def manifest(self, tag: str, content: bytes) -> None:
        """Put a manifest whose blobs are there under a tag."""
        target = f"/v2/{self.repository}/manifests/{tag}"
        self._ask("PUT", target, content, {"Content-Type": MANIFEST})

    def image(self, number: int) -> None:
        """Put an image whose layers are there."""
        self.blob(image_config(number))
        self.manifest(tag_name(number), image_manifest(number))

    def _ask(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPMessage:
        usual = {"Content-Type": "application/octet-stream"}
        self.connection.request(method, target, body, {**usual, **(headers or {})})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in (201, 202):
            raise RuntimeError(f"{method} {target}: {answer.status} {text[:200]!r}")
        return answer.headers


def fill(host: str, repository: str, count: int) -> None:
    """Put ``count`` images, each under a tag of its own."""
    layers = {layer for number in range(count) for layer in layers_of(number)}

    def put(share: int, *, images: bool) -> None:
        connection = http.client.HTTPConnection(host, timeout=60)
        uploader = Uploader(connection, repository)
        try:
            if images:
                for number in range(share, count, AT_ONCE):
                    uploader.image(number)
            else:
                for layer in sorted(layers)[share::AT_ONCE]:
                    uploader.blob(layer)
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for images in (False, True):
            list(pool.map(lambda share, kind=images: put(share, images=kind), range(AT_ONCE)))
