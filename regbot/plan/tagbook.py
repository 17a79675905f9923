"""Which tags are on a digest, and what tagged indexes use: asked once for many deletes."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import field

from regbot.errors import NotFound
from regbot.image.crew import Crew
from regbot.image.usage import Usage, tagged
from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import Action, DeleteManifest, DeleteTag
from regbot.stopping import Stop
from regbot.store.protocol import ReadStore
from regbot.values import dataclass

TAGS_FRESH_FOR = 60.0
"""Seconds after which all tags of a repository are looked at again, where nobody asks sooner."""
NOW = 0.0
"""Of a look that must not have begun before the question. Those who wait together share one."""
_WORKERS = 8

Names = Callable[[Reference], tuple[Reference, ...]]
"""All names of a repository; the first is the one to compare by."""

Sure = Callable[[Tag], bool]
"""Whether a tag has to be looked at now, however fresh the book is."""


def never(_tag: Tag) -> bool:
    """No tag in particular."""
    return False


@dataclass(slots=True)
class _Page:
    """What is known of a repository's tags, and when the look at all of them began.

    ``asking`` is held by who asks the registry; ``since`` are the actions done meanwhile.
    ``used`` are the tags of the last question what they lead to, and the answer.
    """

    read: float = 0.0
    tags: dict[Tag, Descriptor] = field(default_factory=dict)
    asking: threading.Lock = field(default_factory=threading.Lock)
    since: list[Action] = field(default_factory=list)
    following: threading.Lock = field(default_factory=threading.Lock)
    used: tuple[dict[Tag, Descriptor], frozenset[Digest]] | None = None


class TagBook:
    """The digests of a repository's tags; threads may share it.

    A registry can't say which tags are on a digest, so all of them are looked at: at
    the first question, after a write that may move one, and when the last look began
    longer ago than the question allows, ``fresh_for`` seconds. Tags that are new since
    are listed, and looked at, for every question.
    """

    def __init__(
        self,
        stop: Stop,
        names: Names,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._names = names
        self._stop = stop
        self._clock = clock
        self._lock = threading.Lock()
        self._usages: dict[Reference, Usage] = {}
        self._known: dict[Reference, _Page] = {}

    def tags_on(
        self,
        store: ReadStore,
        digest: Digest,
        *,
        sure: Sure = never,
        fresh_for: float = TAGS_FRESH_FOR,
    ) -> tuple[Tag, ...]:
        """The tags on a digest, sorted. Raises what the store raises."""
        tags = self._tags(store, sure=sure, fresh_for=fresh_for)
        return tuple(sorted(tag for tag, head in tags.items() if head.digest == digest))

    def heads(self, store: ReadStore) -> dict[Tag, Descriptor]:
        """What each tag of a repository is on. Raises what the store raises."""
        return self._tags(store)

    def needed(self, store: ReadStore, *, since: float = math.inf) -> frozenset[Digest]:
        """The manifests that the repository's tags lead to.

        All tags are looked at now, or were by a look that began at ``since`` or later. Raises
        Malformed for an index that can't be read.
        """
        tags = self._tags(store, fresh_for=NOW, since=since)
        page = self._page(store.repository)
        with page.following:
            if page.used is None or page.used[0] != tags:
                used = Usage(store, self._crew()).of(tags.values())
                page.used = (tags, frozenset(used))
            return page.used[1]

    def is_last_and_listed(self, store: ReadStore, tag: Tag, digest: Digest) -> bool:
        """Whether a tag is the only one on a digest, and an index at another tag lists that.

        Each index is read once. Raises Malformed for one that can't be read.
        """
        others = {name: head for name, head in self._tags(store).items() if name != tag}
        sharing = [name for name, head in others.items() if head.digest == digest]
        if any(_is_on(store, name, digest) for name in sharing):
            return False
        repository = self._key(store.repository)
        usage = self._usages.pop(repository, None) or Usage(store, self._crew())
        used = usage.of(head for head in others.values() if head.digest != digest)
        self._usages[repository] = usage
        return digest in used

    def _crew(self) -> Crew:
        """A crew for one question: what fails in it ends no other."""
        return Crew(_WORKERS, self._stop)

    def _tags(
        self,
        store: ReadStore,
        *,
        sure: Sure = never,
        fresh_for: float = TAGS_FRESH_FOR,
        since: float = math.inf,
    ) -> dict[Tag, Descriptor]:
        page = self._page(store.repository)
        began = self._clock()
        with page.asking:
            with self._lock:
                read, known, page.since = page.read, dict(page.tags), []
            if (began - read > fresh_for and read < since) or not known:
                read, known = self._clock(), {}
            tags = self._asked(store, known, sure)
            with self._lock:
                page.read, page.tags = read, dict(tags)
                for action in page.since:
                    _take_out(page.tags, action)
        return tags

    def _asked(
        self, store: ReadStore, known: dict[Tag, Descriptor], sure: Sure
    ) -> dict[Tag, Descriptor]:
        """The tags that are listed, those that are not known or not sure looked at now."""
        try:
            names = store.tags()
        except NotFound:
            names = []
        unknown = [name for name in names if name not in known or sure(name)]
        tags = {name: known[name] for name in names if name in known}
        for name in unknown:
            tags.pop(name, None)
        return tags | tagged(store, unknown, self._crew())

    def note(self, action: Action) -> None:
        """Remember what an action that was done did to its repository's tags."""
        page = self._page(action.reference)
        with self._lock:
            _take_out(page.tags, action)
            if page.asking.locked():
                page.since.append(action)

    def _page(self, reference: Reference) -> _Page:
        return self._known.setdefault(self._key(reference), _Page())

    def _key(self, reference: Reference) -> Reference:
        return self._names(reference.without_name)[0]


def _take_out(tags: dict[Tag, Descriptor], action: Action) -> None:
    """Take out what an action deleted or may have moved."""
    if isinstance(action, DeleteTag):
        tags.pop(action.tag, None)
    elif isinstance(action, DeleteManifest):
        for tag in [tag for tag, head in tags.items() if head.digest == action.digest]:
            del tags[tag]
    else:
        tags.clear()


def _is_on(store: ReadStore, tag: Tag, digest: Digest) -> bool:
    try:
        return store.head(tag).digest == digest
    except NotFound:
        return False
