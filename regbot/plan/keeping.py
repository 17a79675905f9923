"""Why a tag or a manifest is kept: the user protects it, or it is in use.

An image is in use by its tag, by its digest, by that of a manifest in it, or by that of an
image config in it. What an index in use lists is in use too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from regbot.errors import NotFound
from regbot.image.crew import Crew
from regbot.image.usage import Usage
from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.guard import Guard, Protection
from regbot.plan.tagbook import TAGS_FRESH_FOR, Names, TagBook
from regbot.plan.uses import InUse, Uses
from regbot.stopping import Clock, Stop
from regbot.store.protocol import ReadStore

_WORKERS = 8
_NOTHING = Uses()


class Keeping:
    """What one script may not delete. Threads may share it.

    Each question about use raises UseUnknown where that can't be known, and what the
    store raises that is asked: what can't be read is kept.
    """

    def __init__(
        self,
        guard: Guard,
        in_use: InUse | None,
        book: TagBook,
        names: Names,
        stop: Stop,
        clock: Clock = time.monotonic,
    ) -> None:
        self._guard = guard
        self._in_use = in_use
        self._book = book
        self._names = names
        self._stop = stop
        self._clock = clock
        self._lock = threading.Lock()
        self._listed: dict[Reference, tuple[float, dict[Digest, str]]] = {}

    @property
    def has_uses(self) -> bool:
        """Whether anything is in use."""
        return self._uses().has_any

    def protection(self, reference: Reference, tag: Tag) -> Protection | None:
        """The pattern that protects a tag, by any name of its repository."""
        return self._guard.protection_of(tag, (reference, *self._names(reference)))

    def by_tag(self, reference: Reference, tag: Tag) -> str:
        """Why a tag is kept for its name alone; empty where it is not."""
        return _told(self._uses().of_tag(tag, (reference, *self._names(reference))))

    def by_content(
        self, store: ReadStore, digest: Digest, content: Descriptor | None = None
    ) -> str:
        """Why a manifest, or a tag on it, is kept for its digest or those of its parts.

        ``content`` describes it, where that is known already. What is below an index is
        read only where any digest is in use, and configs only where one may be that of a
        config. A part that is not there is not in use.
        """
        uses = self._uses()
        user = uses.of_digest(digest)
        if user or not uses.has_digests:
            return _told(user)
        if content is None or content.digest != digest:
            try:
                content = store.head(digest).descriptor
            except NotFound:
                return ""
        below = self._below(store, content)
        users = (uses.of_digest(digest) for digest in below)
        user = next(filter(None, users), "")
        if not user and uses.may_be_configs:
            user = next(filter(None, map(uses.of_digest, self._configs(store, below))), "")
        return _told(user)

    def by_index(self, store: ReadStore, reference: Reference, digest: Digest) -> str:
        """Why a manifest is kept for an index in use that lists it."""
        return _told(self._listed_in_use(store, reference).get(digest, ""))

    def _uses(self) -> Uses:
        return self._in_use.uses() if self._in_use else _NOTHING

    def _below(self, store: ReadStore, content: Descriptor) -> list[Digest]:
        return sorted(Usage(store, self._crew()).of([content]), key=str)

    def _configs(self, store: ReadStore, digests: list[Digest]) -> Iterator[Digest]:
        for digest in digests:
            try:
                manifest = store.manifest(digest)
            except NotFound:
                continue
            if manifest.config is not None:
                yield manifest.config.digest

    def _listed_in_use(self, store: ReadStore, reference: Reference) -> dict[Digest, str]:
        """What the images in use of a repository list, and who uses those, for a minute."""
        repository = self._names(reference)[0]
        with self._lock:
            read, listed = self._listed.get(repository, (0.0, None))
            if listed is None or self._clock() - read > TAGS_FRESH_FOR:
                read, listed = self._clock(), {}
                for user, root in self._roots(store, reference):
                    for digest in self._below(store, root):
                        listed.setdefault(digest, user)
                self._listed[repository] = (read, listed)
            return listed

    def _roots(self, store: ReadStore, reference: Reference) -> Iterator[tuple[str, Descriptor]]:
        """The images in use that are in the repository: by name, and tagged ones by digest."""
        uses, names = self._uses(), (reference, *self._names(reference))
        for name in sorted(uses.within(names), key=str):
            user = uses.of_digest(name) if isinstance(name, Digest) else uses.of_tag(name, names)
            try:
                yield user, store.head(name).descriptor
            except NotFound:
                continue
        if uses.has_digests:
            for head in self._book.heads(store).values():
                user = uses.of_digest(head.digest)
                if user:
                    yield user, head

    def _crew(self) -> Crew:
        return Crew(_WORKERS, self._stop)


def _told(user: str) -> str:
    return user and f"in use by {user}"
