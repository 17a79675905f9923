"""What a registry holds: repositories of blobs, manifests and tags."""

from __future__ import annotations

import hashlib
import json
import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
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
    """One repository; its lock guards every field.

    ``protected`` are tags that can't be changed, ``hidden`` digests that a hidden tag
    keeps, ``lost`` tags that were deleted and what they were on, ``once_tagged``
    digests that had a tag, ``before`` what was at a tag or digest before it changed.
    """

    name: str
    manifests: dict[str, StoredManifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    ghosts: dict[str, Ghost] = field(default_factory=dict)
    protected: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    lost: dict[str, tuple[str, StoredManifest]] = field(default_factory=dict)
    once_tagged: set[str] = field(default_factory=set)
    before: dict[str, tuple[str, StoredManifest] | None] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _sorted: list[str] | None = None

    def find(self, name: str, *, stale: bool = False) -> tuple[str, StoredManifest] | None:
        """Digest and manifest of a tag or digest; ``stale``: before its last change."""
        with self.lock:
            if stale and self.before.get(name):
                return self.before[name]
            ghost = self.ghosts.get(name)
            if ghost and name not in self.tags and ghost.reads > 0:
                ghost.reads -= 1
                return ghost.digest, ghost.manifest
            return self._at(name)

    def _at(self, name: str) -> tuple[str, StoredManifest] | None:
        digest = self.tags.get(name, name)
        stored = self.manifests.get(digest)
        return (digest, stored) if stored else None

    def put_manifest(self, name: str, raw: bytes, media_type: str) -> str:
        """Store under a tag or a digest; the digest comes back."""
        algorithm = name.partition(":")[0] if ":" in name else "sha256"
        digest = digest_of(raw, algorithm)
        with self.lock:
            self.before[digest] = self._at(digest)
            self.manifests[digest] = StoredManifest(raw, media_type)
            if ":" not in name:
                self.tag(name, digest)
        return digest

    def tag(self, tag: str, digest: str) -> None:
        with self.lock:
            if tag not in self.tags:
                self._sorted = None
            self.before[tag] = self._at(tag)
            self.tags[tag] = digest
            self.once_tagged.add(digest)

    def tags_on(self, digest: str) -> list[str]:
        with self.lock:
            return [tag for tag, target in self.tags.items() if target == digest]

    def is_child(self, digest: str) -> bool:
        """Whether an index lists a digest."""
        with self.lock:
            return any(digest.encode() in own.raw for own in self.manifests.values())

    def delete_manifest(
        self,
        digest: str,
        tags: Sequence[str] = (),
        stale_reads: int = 0,
        *,
        keep: bool = False,
        keep_tags: bool = False,
    ) -> bool:
        """Remove a manifest and those of ``tags`` that are on it; False when it is not there."""
        with self.lock:
            if digest not in self.manifests:
                return False
            for tag in [] if keep_tags else tags:
                if self.tags.get(tag) == digest:
                    self.delete_tag(tag, stale_reads)
            self.before[digest] = self._at(digest)
            if not keep:
                del self.manifests[digest]
            return True

    def delete_tag(self, tag: str, stale_reads: int = 0, *, last_tag: bool = False) -> bool:
        """Remove a tag, with ``last_tag`` also its manifest if no other is on it."""
        with self.lock:
            self.before[tag] = self._at(tag)
            digest = self.tags.pop(tag, "")
            self._sorted = None
            if digest in self.manifests:
                self.lost[tag] = digest, self.manifests[digest]
                if stale_reads:
                    self.ghosts[tag] = Ghost(digest, self.manifests[digest], stale_reads)
                if last_tag and not self.tags_on(digest):
                    del self.manifests[digest]
            return bool(digest)

    def fetch_again(self, tag: str) -> None:
        """Bring a deleted tag back, as a cache does when it is asked for it."""
        with self.lock:
            if tag in self.lost and tag not in self.tags:
                digest, manifest = self.lost[tag]
                self.manifests[digest] = manifest
                self.tag(tag, digest)

    def tags_after(self, last: str, count: int) -> tuple[list[str], bool]:
        """The next ``count`` tags (0: all) in order, and whether there are more."""
        with self.lock:
            if self._sorted is None:
                self._sorted = sorted(self.tags)
            start = bisect_right(self._sorted, last) if last else 0
            end = start + count if count else len(self._sorted)
            return self._sorted[start:end], end < len(self._sorted)

    def referrers(self, digest: str, *, only_tagged: bool = False) -> list[dict[str, object]]:
        """Descriptors of the manifests whose subject is ``digest``.

        ``only_tagged`` leaves those out that had a tag and have none any more.
        """
        found = []
        with self.lock:
            untagged = self.once_tagged - set(self.tags.values()) if only_tagged else set()
            stored = [
                (own, manifest) for own, manifest in self.manifests.items() if own not in untagged
            ]
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
        self._later: list[tuple[int, Callable[[], object]]] = []
        self._requests = 0

    def later(self, requests: int, call: Callable[[], object]) -> None:
        """Call it when so many more requests have come."""
        with self._lock:
            self._later.append((self._requests + requests, call))

    def tick(self) -> None:
        """A request has come: do what was put off until now."""
        with self._lock:
            self._requests += 1
            due = [call for at, call in self._later if at <= self._requests]
            self._later = [(at, call) for at, call in self._later if at > self._requests]
        for call in due:
            call()

    def settle(self) -> None:
        """Do all that was put off."""
        while self._later:
            with self._lock:
                due, self._later = [call for _, call in self._later], []
            for call in due:
                call()

    def repository(self, name: str) -> Repository:
        with self._lock:
            return self._repositories.setdefault(name, Repository(name))

    def known(self, name: str) -> Repository | None:
        return self._repositories.get(name)

    def names(self) -> list[str]:
        with self._lock:
            return sorted(name for name, own in self._repositories.items() if own.manifests)
