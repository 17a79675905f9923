"""What a registry holds: repositories of blobs, manifests and tags."""

from __future__ import annotations

import hashlib
import json
import threading
from bisect import bisect_right
from dataclasses import dataclass, field


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


@dataclass(frozen=True, slots=True)
class StoredManifest:
    raw: bytes
    media_type: str


@dataclass(slots=True)
class Ghost:
    """A tag that is deleted, but that reads still see ``reads`` times."""

    digest: str
    manifest: StoredManifest
    reads: int


@dataclass(slots=True)
class Repository:
    """One repository; its lock guards every field."""

    name: str
    manifests: dict[str, StoredManifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    ghosts: dict[str, Ghost] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _sorted: list[str] | None = None

    def find(self, name: str) -> tuple[str, StoredManifest] | None:
        """Digest and manifest of a tag or digest."""
        with self.lock:
            ghost = self.ghosts.get(name)
            if ghost and name not in self.tags and ghost.reads > 0:
                ghost.reads -= 1
                return ghost.digest, ghost.manifest
            digest = self.tags.get(name, name)
            stored = self.manifests.get(digest)
            return (digest, stored) if stored else None

    def put_manifest(self, name: str, raw: bytes, media_type: str) -> str:
        """Store under a tag or a digest; the digest comes back."""
        algorithm = name.partition(":")[0] if ":" in name else "sha256"
        digest = digest_of(raw, algorithm)
        with self.lock:
            self.manifests[digest] = StoredManifest(raw, media_type)
            if ":" not in name:
                self.tag(name, digest)
        return digest

    def tag(self, tag: str, digest: str) -> None:
        with self.lock:
            if tag not in self.tags:
                self._sorted = None
            self.tags[tag] = digest

    def delete_manifest(self, digest: str, stale_reads: int = 0) -> bool:
        """Remove a manifest and all tags on it; False when it is not there."""
        with self.lock:
            if digest not in self.manifests:
                return False
            for tag in [tag for tag, target in self.tags.items() if target == digest]:
                self.delete_tag(tag, stale_reads)
            del self.manifests[digest]
            return True

    def delete_tag(self, tag: str, stale_reads: int = 0) -> bool:
        with self.lock:
            digest = self.tags.pop(tag, "")
            self._sorted = None
            if digest and stale_reads:
                self.ghosts[tag] = Ghost(digest, self.manifests[digest], stale_reads)
            return bool(digest)

    def tags_after(self, last: str, count: int) -> tuple[list[str], bool]:
        """The next ``count`` tags (0: all) in order, and whether there are more."""
        with self.lock:
            if self._sorted is None:
                self._sorted = sorted(self.tags)
            start = bisect_right(self._sorted, last) if last else 0
            end = start + count if count else len(self._sorted)
            return self._sorted[start:end], end < len(self._sorted)

    def referrers(self, digest: str) -> list[dict[str, object]]:
        """Descriptors of the manifests whose subject is ``digest``."""
        found = []
        with self.lock:
            stored = list(self.manifests.items())
        for own, manifest in stored:
            data = json.loads(manifest.raw)
            if (data.get("subject") or {}).get("digest") != digest:
                continue
            entry = {"mediaType": manifest.media_type, "digest": own, "size": len(manifest.raw)}
            artifact = data.get("artifactType") or (data.get("config") or {}).get("mediaType")
            if artifact:
                entry["artifactType"] = artifact
            if data.get("annotations"):
                entry["annotations"] = data["annotations"]
            found.append(entry)
        return found


class Content:
    """All repositories of a registry; they come into being when first asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._repositories: dict[str, Repository] = {}

    def repository(self, name: str) -> Repository:
        with self._lock:
            return self._repositories.setdefault(name, Repository(name))

    def known(self, name: str) -> Repository | None:
        return self._repositories.get(name)

    def names(self) -> list[str]:
        with self._lock:
            return sorted(name for name, own in self._repositories.items() if own.manifests)
