"""What a repository's content looks like to everybody else.

A registry, a layout folder, a cache and a simulated future all answer these
calls, and nobody asks which one they hold.

Every store raises: NotFound for what is not there, NotSupported for a call it
does not offer, ContentError for bytes that are not what they should be, and
RequestError or StorageError when it can't be reached. None of them is ever to be
taken as "it is not there" but NotFound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from regbot.errors import Malformed, RegbotError, SizeMismatch
from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor, Head, ImageConfig, Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Name, Tag
from regbot.values import dataclass

FRESH_FOR = 30.0
"""Seconds for which a view may take an answer of the registry for what is there."""

Chunks = Callable[[], Iterable[bytes]]
"""Content that can be read from its start more than once, for a second try."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Content of a store, which checks it against digest and size while it is read.

    It need not be checked a second time by who sends it on.
    """

    chunks: Chunks

    def __call__(self) -> Iterable[bytes]:
        """The content from its start."""
        return self.chunks()


Written = Callable[[Reference, Tag | None], object]
"""Is told of each repository whose tags or manifests were written to, or may have been.

With a tag where nothing but that tag was deleted, by its name.
"""


def ignore_writes(_repository: Reference, _tag: Tag | None) -> None:
    """Nobody wants to know."""


class ReadStore(Protocol):
    """The content of one repository, for reading."""

    @property
    def repository(self) -> Reference:
        """The repository this is, without tag and digest."""
        ...

    @property
    def last_tag_takes_manifest(self) -> bool:
        """Whether deleting the last tag of a manifest deletes the manifest too.

        A registry is known for sure once it was asked for something.
        """
        ...

    def tags(self, *, limit: int | None = None, last: str = "") -> list[Tag]:
        """The tags after ``last``, all of them or the first ``limit``.

        A listing that breaks off raises; a part is never taken for the whole.
        """
        ...

    def head(self, name: Name) -> Head:
        """Digest, size and media type of a manifest, as cheaply as the store can."""
        ...

    def manifest(self, name: Name) -> Manifest:
        """A manifest or index with its exact bytes, checked against its digest."""
        ...

    def blob_size(self, digest: Digest) -> int:
        """Bytes of a blob."""
        ...

    def blob(self, digest: Digest, size: int | None = None) -> Iterator[bytes]:
        """The chunks of a blob; the end raises unless digest and size fit.

        To be read to the end or closed.
        """
        ...

    def config(self, image: Manifest, *, limit: int) -> ImageConfig:
        """The config of an image, of ``limit`` bytes at most.

        A store that knows the content need not ask whether it is there, as it has to for
        a ``blob``. Raises Malformed without a config, and what ``read_blob`` raises.
        """
        ...

    def referrers(self, digest: Digest, artifact_type: str = "") -> list[Descriptor]:
        """What refers to a digest by ``subject`` (distribution spec, "Listing Referrers")."""
        ...


class Store(ReadStore, Protocol):
    """The content of one repository, for reading and writing.

    Only executors hold one.
    """

    def put_manifest(self, name: Name, manifest: Manifest) -> None:
        """Store a manifest's exact bytes under a tag or under its own digest.

        Keeps the referrers of its ``subject`` up to date.
        """
        ...

    def delete_manifest(self, digest: Digest) -> None:
        """Delete a manifest by digest, and with it every tag on it."""
        ...

    def delete_tag(self, tag: Tag, digest: Digest) -> None:
        """Delete one tag and nothing else; ``digest`` is what the caller just saw on it.

        Other tags of the digest stay. When it can't be done the tag is as before, and
        NotSupported, Protected or the registry's own error is raised; DigestMismatch
        where it is seen that the tag moved, NotRestored where it could not be left as it
        was, and NotConfirmed where it can't be seen whether it is gone.
        """
        ...

    def lacks_referrers(self, digest: Digest, /) -> bool:
        """Whether it is known without asking that nothing refers to a digest."""
        ...

    @property
    def deletes_at_finish(self) -> bool:
        """Whether ``begin_delete`` changes nothing and ``finish_deletes`` does it all."""
        ...

    def begin_delete(self, tag: Tag, digest: Digest) -> bool:
        """Delete one tag as ``delete_tag`` does, but with the end left to ``finish_deletes``.

        False when that is not needed any more. Raises what ``delete_tag`` does.
        """
        ...

    def finish_deletes(self, tags: Mapping[Tag, Digest], /) -> Mapping[Tag, RegbotError]:
        """Finish the deletes that were begun; why, for each tag that is or may be still there.

        Raises RegbotError where that is so for all of them.
        """
        ...

    def put_blob(self, content: Chunks, *, digest: Digest, size: int) -> bool:
        """Store a blob. False, with nothing read or sent, when it is there already."""
        ...

    def mount_blob(self, digest: Digest, source: Reference) -> bool:
        """Take a blob over from another repository of the same host without moving bytes.

        False when the store can't; then nothing is left half-done.
        """
        ...


class ReadStores(Protocol):
    """Opens repositories for reading, and lists those of a registry."""

    def open(self, reference: Reference) -> ReadStore:
        """The store of the reference's repository. Nothing is asked of it yet."""
        ...

    def repositories(self, registry: str, *, limit: int | None = None, last: str = "") -> list[str]:
        """The names of a registry's repositories (distribution spec, ``_catalog``)."""
        ...


class Stores(ReadStores, Protocol):
    """Opens repositories for reading and writing. Only executors hold one."""

    def open(self, reference: Reference) -> Store:
        """The store of the reference's repository. Nothing is asked of it yet."""
        ...


def read_blob(store: ReadStore, digest: Digest, *, size: int | None = None, limit: int) -> bytes:
    """A small blob as a whole. Raises SizeMismatch when it has more than ``limit`` bytes."""
    what = f"blob {digest} of {store.repository}"
    if size is not None and size > limit:
        raise SizeMismatch(f"{what}: {size} bytes are more than the limit of {limit}")
    parts: list[bytes] = []
    seen = 0
    for chunk in store.blob(digest, size):
        seen += len(chunk)
        if seen > limit:
            raise SizeMismatch(f"{what}: more than the limit of {limit} bytes")
        parts.append(chunk)
    return b"".join(parts)


def read_config(store: ReadStore, image: Manifest, *, limit: int) -> ImageConfig:
    """The config of an image, read as any blob. Raises as ``ReadStore.config`` does."""
    descriptor = image.config
    if descriptor is None:
        raise Malformed(f"{store.repository}@{image.digest} has no config")
    raw = read_blob(store, descriptor.digest, size=descriptor.size, limit=limit)
    return ImageConfig.parse(raw, descriptor)
