"""Which tags are on a digest, asked once for many deletes."""

from __future__ import annotations

import time
from collections.abc import Callable

from regbot.errors import NotFound
from regbot.image.crew import Crew
from regbot.image.usage import tagged
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.plan.action import Action, DeleteManifest, DeleteTag
from regbot.stopping import Stop
from regbot.store.protocol import ReadStore

FRESH_FOR = 60.0
"""Seconds after which the tags of a repository are looked at again."""
_WORKERS = 8


class TagBook:
    """The digests of a repository's tags.

    A registry can't say which tags are on a digest, so all of them are looked at: at
    the first question, after a write that may move one, and when that is long ago.
    """

    def __init__(self, stop: Stop, clock: Callable[[], float] = time.monotonic) -> None:
        self._stop = stop
        self._clock = clock
        self._known: dict[Reference, tuple[float, dict[str, Digest]]] = {}

    def tags_on(self, store: ReadStore, digest: Digest) -> tuple[str, ...]:
        """The tags on a digest, sorted. Raises what the store raises."""
        repository = store.repository
        read, tags = self._known.get(repository, (None, {}))
        if read is None or self._clock() - read > FRESH_FOR:
            tags = self._read(store)
            self._known[repository] = (self._clock(), tags)
        return tuple(sorted(tag for tag, own in tags.items() if own == digest))

    def _read(self, store: ReadStore) -> dict[str, Digest]:
        try:
            names = store.tags()
        except NotFound:
            return {}
        found = tagged(store, names, Crew(_WORKERS, self._stop))
        return {tag: descriptor.digest for tag, descriptor in found.items()}

    def note(self, action: Action) -> None:
        """Remember what an action that was done did to its repository's tags."""
        repository = action.reference.without_name
        _, tags = self._known.get(repository, (None, {}))
        if isinstance(action, DeleteTag):
            tags.pop(action.reference.tag, None)
        elif isinstance(action, DeleteManifest):
            for tag in [tag for tag, own in tags.items() if own == action.digest]:
                del tags[tag]
        else:
            self._known.pop(repository, None)
