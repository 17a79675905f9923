"""Brings one blob from a store to another, by the cheapest way there is."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from regbot.errors import Forbidden, NotFound, NotSupported
from regbot.events import Emit, Message, ignore
from regbot.image.crew import Crew
from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor
from regbot.store.protocol import ReadStore, Store

NOT_SEEN = (NotFound, NotSupported, Forbidden)
"""Answers of a target after which content is sent: if it may not be, that says so."""


@dataclass(slots=True)
class Transfer:
    """Copies blobs between two repositories; threads may share it.

    ``sent`` are the bytes that were moved so far.
    """

    source: ReadStore
    target: Store
    crew: Crew
    emit: Emit = ignore
    sent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def copy(self, blob: Descriptor) -> None:
        """See that the target has a blob: it is there, or is mounted, or is sent.

        Only a few chunks are in memory. Raises what the stores raise.
        """
        how = "mounted" if self._same_host and self._without_bytes(blob) else ""
        if not how:
            how = "there"

            def content() -> Iterator[bytes]:
                nonlocal how
                how = "copied"
                return self._chunks(blob)

            self.target.put_blob(content, digest=blob.digest, size=blob.size)
        self.emit(
            Message(
                "debug",
                "blob is at the target",
                {"digest": str(blob.digest), "size": blob.size, "how": how},
            )
        )

    @property
    def _same_host(self) -> bool:
        source, target = self.source.repository, self.target.repository
        return (source.scheme, source.registry) == (target.scheme, target.registry)

    def _without_bytes(self, blob: Descriptor) -> bool:
        return _has(self.target, blob.digest, blob.size) or self.target.mount_blob(
            blob.digest, self.source.repository
        )

    def _chunks(self, blob: Descriptor) -> Iterator[bytes]:
        """The blob, from its start, until the work ends."""
        chunks = self.source.blob(blob.digest, blob.size)
        try:
            for chunk in chunks:
                self.crew.check()
                with self._lock:
                    self.sent += len(chunk)
                yield chunk
        finally:
            if isinstance(chunks, Generator):
                chunks.close()


def _has(store: ReadStore, digest: Digest, size: int) -> bool:
    try:
        return store.blob_size(digest) == size
    except NOT_SEEN:
        return False
