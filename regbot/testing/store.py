"""The repositories of a test, in memory: they answer as a registry would, and open nothing.

Every call is counted, and may be made to fail. What a test doesn't hold is an error of its
own: a repository is missing where its registry has others, a registry is a mistake.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping, Sequence

from regbot.errors import (
    ConnectionFailed,
    InvalidValue,
    NotFound,
    NotSupported,
    RegistryNotFound,
    registry_error,
)
from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor, Head, ImageConfig, Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Name, Tag
from regbot.store.protocol import ReadStore, read_config
from regbot.testing.fixture import Content, Repository, content_of
from regbot.values import dataclass

_WORDS = {
    401: "credentials are missing or were refused",
    403: "the permission is missing",
    429: "too many requests",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A request that fails with a status: the one with a number, or all about a tag."""

    status: int
    request: int | None = None
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """How tags are listed: in their order or, with a ``seed``, in another; maybe cut short."""

    seed: int | None = None
    is_cut: bool = False

    def check(self, where: Reference, path: str) -> None:
        """Raise ConnectionFailed for a listing that is cut short."""
        if self.is_cut:
            why = "the listing was cut short"
            raise ConnectionFailed(why, method="GET", url=_url(where, path))

    def arranged(self, names: Sequence[str]) -> list[str]:
        """The names in the order in which they are listed."""
        ordered = sorted(names)
        if self.seed is not None:
            random.Random(self.seed).shuffle(ordered)  # noqa: S311 - the same each time
        return ordered


SORTED = Listing()


class Traffic:
    """Counts the requests to all repositories of a test, and says how they are answered.

    ``strangers`` are the registries that were asked for and are not in the test, ``read``
    the manifests that were read whole. Threads may share it.
    """

    def __init__(self, faults: Sequence[Fault] = (), listing: Listing = SORTED) -> None:
        self._faults = faults
        self.listing = listing
        self._lock = threading.Lock()
        self.count = 0
        self.strangers: set[str] = set()
        self.read: set[Digest] = set()

    def end(self) -> None:
        """From now on nothing fails."""
        self._faults, self.listing = (), SORTED

    def request(self, method: str, where: Reference, path: str, about: str = "") -> None:
        """A request. Raises what its fault says."""
        with self._lock:
            self.count += 1
            number = self.count
        for fault in self._faults:
            if number == fault.request or (fault.tag and fault.tag == about):
                why = _WORDS.get(fault.status, "the registry failed")
                why = f"{fault.status}: {why} (a fault of the test)"
                raise registry_error(why, method=method, url=_url(where, path), status=fault.status)


class FixtureStore:
    """One repository of a test; see ``protocol.ReadStore``. Threads may share it."""

    last_tag_takes_manifest = False

    def __init__(self, repository: Reference, content: Content, traffic: Traffic) -> None:
        self.repository = repository
        self._content = content
        self._traffic = traffic

    def tags(self, *, limit: int | None = None, last: str = "") -> list[Tag]:
        """The tags after ``last`` in the order of the listing."""
        self._ask("GET", "tags/list")
        self._traffic.listing.check(self.repository, "tags/list")
        if not self._content.manifests:
            raise self._missing("tags/list", "there is no such repository")
        names = self._traffic.listing.arranged(list(self._content.tags))
        start = names.index(last) + 1 if last in names else 0
        if last and last not in names:
            names = [name for name in names if name > last]
        return [Tag(name) for name in names[start:]][:limit]

    def head(self, name: Name) -> Head:
        """What a HEAD tells of a manifest."""
        manifest = self._manifest("HEAD", name)
        return Head(manifest.media_type, manifest.digest, manifest.size)

    def manifest(self, name: Name) -> Manifest:
        """A manifest or index."""
        manifest = self._manifest("GET", name)
        self._traffic.read.add(manifest.digest)
        return manifest

    def blob_size(self, digest: Digest) -> int:
        """Bytes of a blob."""
        self._ask("HEAD", f"blobs/{digest}")
        if digest not in self._content.sizes:
            raise self._missing(f"blobs/{digest}", "there is no such blob")
        return self._content.sizes[digest]

    def blob(self, digest: Digest, size: int | None = None) -> Iterator[bytes]:  # noqa: ARG002
        """The content of a blob, at once."""
        self._ask("GET", f"blobs/{digest}")
        if digest not in self._content.blobs:
            raise self._missing(f"blobs/{digest}", "there is no such blob")
        content = self._content.blobs[digest]
        if content is None:
            raise NotSupported(f"blob {digest} of {self.repository}: a test has no big layers")
        return iter((content,))

    def config(self, image: Manifest, *, limit: int) -> ImageConfig:
        """The config of an image."""
        return read_config(self, image, limit=limit)

    def referrers(self, digest: Digest, artifact_type: str = "") -> list[Descriptor]:
        """What refers to a digest."""
        self._ask("GET", f"referrers/{digest}")
        listed = self._content.referrers.get(digest, [])
        return [each for each in listed if artifact_type in ("", each.artifact_type)]

    def _manifest(self, method: str, name: Name) -> Manifest:
        self._ask(method, f"manifests/{name}", str(name))
        digest = name if isinstance(name, Digest) else self._content.tags.get(name)
        manifest = self._content.manifests.get(digest) if digest else None
        if manifest is None:
            raise self._missing(f"manifests/{name}", "there is no such manifest")
        return manifest

    def _ask(self, method: str, path: str, about: str = "") -> None:
        self._traffic.request(method, self.repository, path, about)

    def _missing(self, path: str, why: str) -> NotFound:
        url = _url(self.repository, path)
        return RegistryNotFound(f"404: {why}", method="GET", url=url, status=404)


class FixtureStores:
    """All repositories of a test."""

    def __init__(self, repositories: Sequence[Repository], traffic: Traffic) -> None:
        self._traffic = traffic
        self.contents: Mapping[Reference, Content] = {
            repository.reference: content_of(repository) for repository in repositories
        }

    def open(self, reference: Reference) -> ReadStore:
        """The store of the reference's repository.

        Raises InvalidValue for a registry or layout folder that the test doesn't hold.
        """
        repository = reference.without_name
        content = self.contents.get(repository)
        if content is None:
            if repository.scheme == "ocidir" or not self._of(repository.registry):
                raise self._stranger(repository.registry or str(repository))
            content = Content()
        return FixtureStore(repository, content, self._traffic)

    def repositories(self, registry: str, *, limit: int | None = None, last: str = "") -> list[str]:
        """The names of a registry's repositories that hold anything."""
        known = self._of(registry)
        if not known:
            raise self._stranger(registry)
        where = known[0]
        self._traffic.request("GET", where, "_catalog")
        self._traffic.listing.check(where, "_catalog")
        names = [each.repository for each in known if self.contents[each].manifests]
        return [name for name in self._traffic.listing.arranged(names) if name > last][:limit]

    def _of(self, registry: str) -> list[Reference]:
        return [each for each in self.contents if each.registry and each.registry == registry]

    def _stranger(self, name: str) -> InvalidValue:
        self._traffic.strangers.add(name)
        return InvalidValue(f"{name} is not in the test (add a repository of it to repositories)")


def _url(repository: Reference, path: str) -> str:
    if repository.scheme == "ocidir":
        return str(repository)
    return f"https://{repository.registry}/v2/{repository.repository}/{path}"
