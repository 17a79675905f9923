"""Reads what a delete takes away, before it is deleted: afterwards nobody can tell."""

from __future__ import annotations

import threading
from dataclasses import replace

from regbot.errors import NotFound, RegbotError, ScriptTimeout, Stopped
from regbot.image.crew import Crew
from regbot.image.facts import created
from regbot.image.usage import held_by
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import Delete, DeleteManifest
from regbot.plan.apply import Applier
from regbot.plan.evidence import Evidence
from regbot.plan.look import Target
from regbot.plan.outcome import Applied
from regbot.stopping import Stop
from regbot.store.protocol import ReadStore

_WORKERS = 4


class Gathering:
    """Gathers the evidence of one script's deletes; threads may share it.

    Where it is ``wanted``, the names of a repository are kept; with ``contents`` what a
    delete takes is read too, and the tags of each repository are counted, once.
    """

    def __init__(self, applier: Applier, *, wanted: bool, contents: bool) -> None:
        self._applier = applier
        self._wanted = wanted
        self._contents = contents
        self._counted: dict[Reference, threading.Event] = {}

    def of(
        self, action: Delete, seen: Target | Applied, reader: ReadStore | None = None
    ) -> Evidence | None:
        """The evidence of a delete; ``reader`` reads the repository as it was before that."""
        tags = seen.tags if isinstance(seen, Target) and isinstance(action, DeleteManifest) else ()
        if not self._wanted:
            return Evidence(tags=tags, problem="not gathered") if tags else None
        names = self._applier.names(action.reference)
        if not self._contents:
            return Evidence(tags=tags, names=names)
        store = reader or self._applier.stores.open(action.reference)
        digest = None
        if isinstance(seen, Target):
            store, digest = seen.store, seen.digest

        limit, stop = self._applier.blob_limit, self._applier.stop
        evidence = gather(store, digest, blob_limit=limit, stop=stop)
        real = self._applier.real.open(action.reference)
        before = self._tags_before(names[0], real, store, waits=reader is None)
        return replace(evidence, tags=tags, names=names, tags_before=before)

    def _tags_before(
        self, repository: Reference, real: ReadStore, store: ReadStore, *, waits: bool
    ) -> int | None:
        """How many tags a repository has, for the first delete there; None for the others.

        A delete that changes the repository ``waits`` until they are counted.
        """
        counted = threading.Event()
        by_first = self._counted.setdefault(repository, counted)
        if by_first is not counted:
            if waits:
                by_first.wait()
            return None
        try:
            listed = tags_in(real, store)
        finally:
            counted.set()
        return None if listed is None else len(listed)


def gather(store: ReadStore, digest: Digest | None, *, blob_limit: int, stop: Stop) -> Evidence:
    """Read what a digest leads to; None is nothing. ``blob_limit`` is in bytes.

    What can't be read is said in ``problem``; only Stopped and ScriptTimeout are raised.
    """
    if digest is None:
        return Evidence()
    try:
        root = store.head(digest).descriptor
        blobs = held_by(store, [root], Crew(_WORKERS, stop))
    except (Stopped, ScriptTimeout):
        raise
    except NotFound:
        return Evidence()
    except RegbotError as error:
        return Evidence(problem=str(error))
    return Evidence(blobs, _created(store, digest, blob_limit))


def tags_in(*views: ReadStore) -> frozenset[Tag] | None:
    """The tags that all of these views of a repository list; None where one can't be read.

    Raises Stopped and ScriptTimeout.
    """
    try:
        return frozenset.intersection(*(frozenset(view.tags()) for view in views))
    except (Stopped, ScriptTimeout):
        raise
    except NotFound:
        return frozenset()
    except RegbotError:
        return None


def _created(store: ReadStore, digest: Digest, blob_limit: int) -> float | None:
    try:
        date = created(store, digest, blob_limit=blob_limit)
    except (Stopped, ScriptTimeout):
        raise
    except RegbotError:
        return None
    return date.timestamp() if date else None
