"""Makes the layout folder that scripts/demo cleans up, and lists what is in one.

All dates count back from now, so a clean-up by age always has something to do.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tarfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from regbot.errors import RegbotError
from regbot.oci.digest import Digest
from regbot.oci.manifest import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.store.ocidir import OciDirStore
from regbot.store.protocol import ReadStore, Store, read_blob

CREATED = "org.opencontainers.image.created"
VERSION = "org.opencontainers.image.version"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
SIGNATURE_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
TEAMS = ("web", "api", "data")
CONFIG_LIMIT = 1024 * 1024

BUILDS = 24
DAYS_BETWEEN_BUILDS = 4
RELEASES = (
    *("1.0.0", "1.0.1", "1.1.0", "1.2.0", "1.2.1", "1.9.0", "1.10.0"),
    *("2.0.0", "2.0.1", "2.1.0", "2.2.0", "2.3.0-rc.1"),
)
NEWEST_RELEASE = "2.3.0"
DAYS_BETWEEN_RELEASES = 21


class Builder:
    """Puts images into one repository; every age is counted from the same moment."""

    def __init__(self, store: Store, now: datetime) -> None:
        self._store = store
        self._now = now

    def image(self, name: str, *, days: int | None, team: str, arch: str = "amd64") -> Manifest:
        """An image of one small layer, ``days`` old; None leaves its date out."""
        layer = self._blob(_layer(f"{name} for {arch}\n"), LAYER_TYPE)
        labels = {"team": team, VERSION: name}
        config: dict[str, Any] = {
            "architecture": arch,
            "os": "linux",
            "config": {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        }
        if days is not None:
            config["created"] = labels[CREATED] = f"{self._date(days):%Y-%m-%dT%H:%M:%SZ}"
        data = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self._blob(json.dumps(config).encode(), OCI_CONFIG),
            "layers": [layer],
        }
        return Manifest.build(data)

    def index(self, name: str, *, days: int, team: str) -> Manifest:
        """An index of the same image for two platforms."""
        children = []
        for arch in ("amd64", "arm64"):
            child = self.image(name, days=days, team=team, arch=arch)
            self._store.put_manifest(child.digest, child)
            platform = {"os": "linux", "architecture": arch}
            children.append({**child.descriptor.to_json(), "platform": platform})
        return Manifest.build({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children})

    def signature(self, subject: Manifest) -> tuple[str, Manifest]:
        """What cosign stores beside an image, and the tag it goes by."""
        payload = json.dumps({"critical": {"image": {"digest": str(subject.digest)}}}).encode()
        data = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self._blob(b"{}", OCI_CONFIG),
            "layers": [self._blob(payload, SIGNATURE_TYPE)],
        }
        return f"{subject.digest.algorithm}-{subject.digest.hex}.sig", Manifest.build(data)

    def tag(self, manifest: Manifest, *tags: str) -> None:
        """Put a manifest under each of the tags."""
        for tag in tags:
            self._store.put_manifest(Tag(tag), manifest)

    def build_tag(self, days: int) -> str:
        """The tag of the build of that day."""
        return f"build-{self._date(days):%Y%m%d}"

    def _date(self, days: int) -> datetime:
        return self._now - timedelta(days=days)

    def _blob(self, content: bytes, media_type: str) -> dict[str, Any]:
        digest = Digest.of(content)
        self._store.put_blob(lambda: [content], digest=digest, size=len(content))
        return {"mediaType": media_type, "digest": str(digest), "size": len(content)}


def build(store: Store, now: datetime) -> None:
    """Fill the repository with what a year of work leaves behind."""
    builder = Builder(store, now)
    for number in range(BUILDS):
        days = number * DAYS_BETWEEN_BUILDS + 1
        tag = builder.build_tag(days)
        image = builder.image(tag, days=days, team=TEAMS[number % len(TEAMS)])
        # The oldest build still runs somewhere, under a second tag.
        builder.tag(image, tag, *(["in-production"] if number == BUILDS - 1 else []))
    builder.tag(builder.image("build-undated", days=None, team="data"), "build-undated")
    for number, version in enumerate(reversed(RELEASES), start=1):
        days = number * DAYS_BETWEEN_RELEASES
        builder.tag(builder.image(version, days=days, team="web"), f"v{version}")
    newest = builder.index(NEWEST_RELEASE, days=2, team="web")
    builder.tag(newest, f"v{NEWEST_RELEASE}", "latest")
    signature_tag, signature = builder.signature(newest)
    builder.tag(signature, signature_tag)


def listing(store: ReadStore) -> Iterator[str]:
    """A line for each tag: its digest in short, its date, its name, its platforms."""
    tags = store.tags()
    for tag in tags:
        manifest = store.manifest(tag)
        image = store.manifest(manifest.manifests[0].digest) if manifest.is_index else manifest
        created = str(_config(store, image).get("created", "no date"))[:10]
        platforms = ", ".join(str(child.platform) for child in manifest.manifests)
        what = f"{tag} ({platforms})" if platforms else tag
        yield f"{manifest.digest.hex[:12]}  {created:10}  {what}"
    yield f"{len(tags)} tags"


def _config(store: ReadStore, manifest: Manifest) -> Mapping[str, Any]:
    config = manifest.config
    if config is None:
        return {}
    found: dict[str, Any] = json.loads(read_blob(store, config.digest, limit=CONFIG_LIMIT))
    return found


def _layer(text: str) -> bytes:
    content = text.encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("about.txt")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def main() -> int:
    """Build, or list with ``--list``."""
    parser = argparse.ArgumentParser(description="Builds or lists the demo's layout folder.")
    parser.add_argument("--list", action="store_true", help="list what is there")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    store = OciDirStore(Reference.parse(f"ocidir://{options.folder}"))
    try:
        if options.list:
            print("\n".join(listing(store)))
        elif options.folder.exists():
            parser.error(f"{options.folder} exists already")
        else:
            build(store, datetime.now(UTC))
            print(f"{len(store.tags())} tags in {options.folder}")
    except RegbotError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
