"""Brings one blob from a store to another, by the cheapest way there is."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator
from dataclasses import field

from regbot.errors import Forbidden, NotFound, NotSupported
from regbot.events import BytesMoved, Emit, Message, ignore
from regbot.image.crew import Crew
from regbot.image.deliveries import Deliveries
from regbot.oci.manifest import Descriptor
from regbot.oci.reference import Reference
from regbot.store.protocol import Checked, ReadStore, Store
from regbot.values import dataclass

NOT_SEEN = (NotFound, NotSupported, Forbidden)
"""Answers of a target after which content is sent: if it may not be, that says so."""

_MOUNTS = 2
"""Repositories from which a mount is tried before a blob is sent."""


@dataclass(slots=True)
class Transfer:
    """Copies blobs between two repositories; threads may share it.

    ``sent`` are the bytes sent so far; ``changed`` says whether the target got a blob that
    it did not have. ``deliveries`` are those of all copies of the run.
    """

    source: ReadStore
    target: Store
    crew: Crew
    emit: Emit = ignore
    deliveries: Deliveries = field(default_factory=Deliveries)
    sent: int = 0
    changed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def copy(self, blob: Descriptor) -> None:
        """Bring a blob to the target: it is there already, or is mounted, or is sent.

        Only a few chunks are in memory. Raises what the stores raise.
        """
        target, way = self.target.repository, _Way(blob.size, self.emit)
        try:
            with self.deliveries.turn(target, blob.digest, self.crew.check) as places:
                how = self._bring(blob, places, way)
                places[target] = None
        finally:
            way.end()
        if how != "there":
            self.changed = True
        fields: dict[str, str | int] = {"digest": str(blob.digest), "size": blob.size, "how": how}
        self.emit(Message("debug", "blob is at the target", fields))

    def _bring(self, blob: Descriptor, places: Iterable[Reference], way: _Way) -> str:
        """How it comes to the target, where ``places`` of the same registry have it."""
        known = (*((self.source.repository,) if self._same_host else ()), *places)
        near = [place for place in known if place != self.target.repository]
        if near:
            if _has(self.target, blob):
                return "there"
            if any(self.target.mount_blob(blob.digest, place) for place in near[:_MOUNTS]):
                return "mounted"
        is_new = self.target.put_blob(
            Checked(lambda: self._chunks(blob, way)), digest=blob.digest, size=blob.size
        )
        return "sent" if is_new else "there"

    @property
    def _same_host(self) -> bool:
        source, target = self.source.repository, self.target.repository
        return (source.scheme, source.registry) == (target.scheme, target.registry)

    def _chunks(self, blob: Descriptor, way: _Way) -> Iterator[bytes]:
        """The blob, from its start, until the work ends."""
        chunks = self.source.blob(blob.digest, blob.size)
        try:
            for chunk in chunks:
                self.crew.check()
                with self._lock:
                    self.sent += len(chunk)
                way.passed(len(chunk))
                yield chunk
        finally:
            if isinstance(chunks, Generator):
                chunks.close()


class _Way:
    """The way of one blob, for those who watch it: each byte is told once, however it comes."""

    def __init__(self, size: int, emit: Emit) -> None:
        self._left = size
        self._emit = emit

    def passed(self, count: int) -> None:
        """So many bytes were read, maybe for a second time."""
        count = min(count, self._left)
        self._left -= count
        if count:
            self._emit(BytesMoved(count))

    def end(self) -> None:
        """Nothing more of it will be read."""
        self.passed(self._left)


def _has(store: ReadStore, blob: Descriptor) -> bool:
    try:
        return store.blob_size(blob.digest) == blob.size
    except NOT_SEEN:
        return False
