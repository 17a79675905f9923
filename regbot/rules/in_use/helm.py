"""Helm's releases, as it keeps them in secrets: what a rollback may run again.

A release is JSON in gzip in base64, which Kubernetes gives in base64 once more. It has the
objects of the release as YAML text, and hooks that have their own.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from regbot.errors import Malformed
from regbot.rules.in_use.pod_images import PodImage, pod_images
from regbot.rules.in_use.yaml_texts import load_texts

TYPE = "helm.sh/release.v1"
"""The type of the secrets."""
_GZIP = b"\x1f\x8b"
_LARGEST = 64 * 1024 * 1024


def release_images(secret: Mapping[str, Any]) -> Iterator[PodImage]:
    """The images of a release. Raises Malformed for one that can't be read."""
    data = secret.get("data")
    if not isinstance(data, Mapping) or not isinstance(data.get("release"), str):
        raise Malformed("the secret has no release")
    release = _release(data["release"])
    hooks = release.get("hooks") or ()
    texts = [release.get("manifest"), *(hook.get("manifest") for hook in hooks)]
    for text in texts:
        if text is not None and not isinstance(text, str):
            raise Malformed("the objects of the release are no text")
        for document in load_texts(text or ""):
            yield from pod_images(document)


def _release(text: str) -> dict[str, Any]:
    try:
        content = base64.b64decode(base64.b64decode(text, validate=True), validate=True)
        if content.startswith(_GZIP):
            content = _unpacked(content)
        release = json.loads(content)
    except (ValueError, zlib.error, RecursionError):
        raise Malformed("the release can't be decoded") from None
    if not isinstance(release, dict):
        raise Malformed("the release is no JSON object")
    return release


def _unpacked(content: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    unpacked = unpacker.decompress(content, _LARGEST)
    if not unpacker.eof:
        raise Malformed("the release is too large, or cut off")
    return unpacked
