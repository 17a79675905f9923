"""Tars of images as values: members by name, and a way to write them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from regbot.image.archive_read import ArchiveStore, open_archive
from regbot.oci.digest import Digest
from support.images import Image

LIMIT = 100_000
REF_NAME = "org.opencontainers.image.ref.name"


def link(target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo()
    member.type, member.linkname = kind, target
    return member


def make_tar(path: Path, members: Mapping[str, bytes | tarfile.TarInfo], **options: Any) -> Path:
    with tarfile.open(path, "w", **options) as tar:
        for name, content in members.items():
            if isinstance(content, bytes):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            else:
                content.name = name
                tar.addfile(content)
    return path


def config_of(*layers: bytes, **more: Any) -> bytes:
    diff_ids = [str(Digest.of(layer)) for layer in layers]
    return json.dumps({"os": "linux", "rootfs": {"diff_ids": diff_ids}, **more}).encode()


def saved(config: str, layers: list[str], *names: str) -> dict[str, Any]:
    return {"Config": config, "RepoTags": list(names) or None, "Layers": layers}


def manifest_json(*images: dict[str, Any]) -> bytes:
    return json.dumps(images).encode()


def layout(*named: tuple[str, Image]) -> dict[str, bytes]:
    """The members of an OCI layout; images by tag, "" for an untagged one."""
    members = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
    entries = []
    for tag, image in named:
        entry = image.manifest.descriptor.to_json()
        entry |= {"annotations": {REF_NAME: tag}} if tag else {}
        entries.append(entry)
        members |= blobs(image)
    members["index.json"] = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    return members


def blobs(image: Image) -> dict[str, bytes]:
    found = {f"blobs/sha256/{image.digest.hex}": image.manifest.raw}
    found |= {f"blobs/sha256/{digest.hex}": raw for digest, raw in image.blobs.items()}
    for child in image.children:
        found |= blobs(child)
    return found


def opened(path: Path, **options: Any) -> AbstractContextManager[ArchiveStore]:
    return open_archive(path, **{"blob_limit": LIMIT, **options})
