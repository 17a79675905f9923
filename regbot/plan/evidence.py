"""What an image held, read before it is deleted: afterwards nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from regbot.errors import (
    NotFound,
    RegbotError,
    ScriptTimeout,
    Stopped,
)
from regbot.image.crew import Crew
from regbot.image.facts import created
from regbot.image.usage import held_by
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.stopping import Stop
from regbot.store.protocol import ReadStore
from regbot.values import dataclass

WORKERS = 4


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a deleted manifest or tag led to.

    ``blobs`` are the bytes of each manifest, config and layer, its own manifest
    among them. ``created`` is in seconds since 1970. ``tags_before`` is how many
    tags the repository had, ``tags`` those that go with a manifest deleted by
    digest. ``problem`` says why ``blobs`` is not all there is. ``names`` are all names of
    its repository, the first the one to compare by.
    """

    blobs: Mapping[Digest, int] = field(default_factory=dict)
    created: float | None = None
    tags_before: int | None = None
    tags: tuple[Tag, ...] = ()
    problem: str = ""
    names: tuple[Reference, ...] = ()

    @property
    def size(self) -> int | None:
        """Bytes of the whole image, over all its platforms; None when not known."""
        return sum(self.blobs.values()) if self.blobs and not self.problem else None


def gather(
    store: ReadStore,
    digest: Digest | None,
    *,
    blob_limit: int,
    stop: Stop,
    unplanned: ReadStore | None,
) -> Evidence:
    """Read what a digest leads to; None is nothing. ``blob_limit`` is in bytes.

    ``unplanned`` is the repository without what is planned; its tags are counted as far
    as the store still has them. That is needed once a repository, and None counts none.
    What can't be read is said in ``problem``; only Stopped and ScriptTimeout are raised.
    """
    listed = tags_in(unplanned, store) if unplanned else None
    tags = None if listed is None else len(listed)
    if digest is None:
        return Evidence(tags_before=tags)
    try:
        root = store.head(digest).descriptor
        blobs = held_by(store, [root], Crew(WORKERS, stop))
    except (Stopped, ScriptTimeout):
        raise
    except NotFound:
        return Evidence(tags_before=tags)
    except RegbotError as error:
        return Evidence(tags_before=tags, problem=str(error))
    return Evidence(blobs, _created(store, digest, blob_limit), tags)


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
