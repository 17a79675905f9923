"""Makes the images that scripts/demo cleans up, in a layout folder or a registry, and lists them.

All dates count back from now, so a clean-up by age always has something to do.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from regbot.errors import RegbotError
from regbot.http.hosts import ClientSettings, HostSettings
from regbot.http.transport import Transport
from regbot.oci.digest import Digest
from regbot.oci.manifest import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.stopping import Stop
from regbot.store.ocidir import OciDirStore
from regbot.store.protocol import ReadStore, Store, read_blob
from regbot.store.remote import RemoteStore

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


PULL_REQUESTS = {"pr-7-1": 40, "pr-7-2": 33, "pr-8-1": 20, "pr-9-1": 3}
"""Builds of pull requests, with their age in days."""


def build_web(store: Store, now: datetime) -> None:
    """Fill a repository with pull requests and a few releases, the newest of them signed."""
    builder = Builder(store, now)
    for tag, days in PULL_REQUESTS.items():
        builder.tag(builder.image(tag, days=days, team="web"), tag)
    builder.tag(builder.image("1.0.0", days=200, team="web"), "v1.0.0")
    newest = builder.index("1.1.0", days=30, team="web")
    builder.tag(newest, "v1.1.0", "latest")
    signature_tag, signature = builder.signature(newest)
    builder.tag(signature, signature_tag)


def build_api(store: Store, now: datetime) -> None:
    """Fill a repository with nightly builds."""
    builder = Builder(store, now)
    for days in (1, 2, 3, 15, 45, 75):
        tag = f"nightly-{now - timedelta(days=days):%Y-%m-%d}"
        builder.tag(builder.image(tag, days=days, team="api"), tag)
    builder.tag(builder.index("0.9.0", days=90, team="api"), "v0.9.0")


def build_base(store: Store, now: datetime) -> None:
    """Fill a repository with what others build on."""
    builder = Builder(store, now)
    for number, days in enumerate((700, 400, 100), start=1):
        builder.tag(builder.image(f"base {number}", days=days, team="data"), f"v{number}")
    builder.tag(builder.image("base 3", days=100, team="data"), "latest")


Fill = Callable[[Store, datetime], None]

REPOSITORIES: Mapping[str, Fill] = {
    "team/app": build,
    "team/web": build_web,
    "team/api": build_api,
    "team/base": build_base,
}
"""What fills each repository of a registry."""


def push(host: HostSettings, repositories: Mapping[str, Fill], now: datetime) -> int:
    """Fill repositories of a registry, and count their tags."""
    transport = Transport(ClientSettings((host,), use_docker_config=False))
    count = 0
    try:
        for name, fill in repositories.items():
            store = RemoteStore(transport.bind(Stop()), Reference.parse(f"{host.name}/{name}"))
            fill(store, now)
            count += len(store.tags())
    finally:
        transport.close()
    return count


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


def push_all(parser: argparse.ArgumentParser, registry: str) -> int:
    """Fill a registry on this machine, that is without TLS, and say so."""
    try:
        count = push(HostSettings(registry, tls="disabled"), REPOSITORIES, datetime.now(UTC))
    except RegbotError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    print(f"{count} tags in {len(REPOSITORIES)} repositories of {registry}")
    return 0


def main() -> int:
    """Build, or list with ``--list``, or fill a registry with ``--push``."""
    parser = argparse.ArgumentParser(description="Builds or lists the images of the demo.")
    parser.add_argument("--list", action="store_true", help="list what is there")
    parser.add_argument("--push", metavar="REGISTRY", help="fill a registry on this machine")
    parser.add_argument("folder", type=Path, nargs="?", help="a layout folder")
    options = parser.parse_args()
    if (options.folder is None) == (options.push is None):
        parser.error("name either a folder or a registry")
    if options.push:
        return push_all(parser, options.push)
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
