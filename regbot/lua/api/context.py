"""What the bindings of one run share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from regbot.events import Emit, TagRead, TagsListed
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.executor import Executor
from regbot.plan.uses import InUse
from regbot.stopping import Stop
from regbot.store.protocol import ReadStores
from regbot.values import dataclass

if TYPE_CHECKING:
    from regbot.lua.modules import Modules


class Seen:
    """What a script has seen of the registries: tags, and the digests on them, packed.

    A delete is decided on what was seen, so it is compared with it. A body of parallel.map
    has its own, for it rests on what it saw itself, whatever others have seen since; what
    it saw is known to ``outer`` too, the body or script that it is part of.
    """

    def __init__(self, outer: Seen | None = None) -> None:
        self._outer = outer
        self._digests: dict[Reference, dict[Tag, bytes | None]] = {}

    def tags(self, repository: Reference, tags: Collection[Tag]) -> int:
        """The script listed these tags. Gives how many it did not know."""
        known = self._digests.setdefault(repository.without_name, {})
        before = len(known)
        for tag in tags:
            known.setdefault(tag)
        return self._outer.tags(repository, tags) if self._outer else len(known) - before

    def digest(self, reference: Reference, digest: Digest) -> None:
        """The script saw this digest on the reference's tag."""
        if reference.tag:
            self._digests.setdefault(reference.without_name, {})[reference.tag] = digest.packed
            if self._outer:
                self._outer.digest(reference, digest)

    def saved(self, reference: Reference, digest: Digest) -> None:
        """The script saved this digest of the reference's tag elsewhere.

        It was not shown what it saved: where it saw a digest before, it decides on that.
        """
        if self.digest_of(reference) is None:
            self.digest(reference, digest)

    def was_listed(self, reference: Reference) -> bool:
        """Whether the script saw the reference's tag."""
        if reference.tag in self._digests.get(reference.without_name, {}):
            return True
        return self._outer is not None and self._outer.was_listed(reference)

    def digest_of(self, reference: Reference) -> Digest | None:
        """The digest last seen on the reference's tag."""
        known = self._digests.get(reference.without_name, {})
        packed = known.get(reference.tag) if reference.tag else None
        if packed is not None:
            return Digest.unpacked(packed)
        return self._outer.digest_of(reference) if self._outer else None


class Warned:
    """The names of variables that a warning was given for; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: set[str] = set()

    def is_first(self, name: str) -> bool:
        """Whether this is the first time; the next time it is not."""
        with self._lock:
            first = name not in self._names
            self._names.add(name)
            return first


@dataclass(slots=True)
class Context:
    """One run of one script, or a body of parallel.map in it, as its bindings see it.

    ``stores`` can only read; whatever changes something goes to ``executor``.
    ``blob_limit`` is in bytes, ``lua_path`` where modules are, unless ``modules`` has them,
    ``work_dir`` where archives are. ``env`` are the names in ``environment`` that the script
    may ask for.
    ``last_message`` is the latest log line of the script or body, ``warned`` the
    variables that a warning was given for. ``in_use`` tells which images are, ``now`` the
    seconds since 1970.
    """

    script: str
    stores: ReadStores
    executor: Executor
    emit: Emit
    stop: Stop
    blob_limit: int
    lua_path: tuple[Path, ...] = ()
    modules: Modules | None = None
    work_dir: Path = Path()
    env: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)
    last_message: str = ""
    warned: Warned = field(default_factory=Warned)
    in_use: InUse | None = None
    now: Callable[[], float] = time.time

    def listed(self, repository: Reference, tags: Collection[Tag]) -> None:
        """The script was given these tags."""
        count = self.seen.tags(repository, tags)
        self.emit(TagsListed(self.script, str(repository.without_name), count))

    def saw(self, reference: Reference, digest: Digest) -> None:
        """The script looked at a manifest, and was given this digest."""
        if reference.tag and self.seen.digest_of(reference) is None:
            self.emit(TagRead(self.script))
        self.seen.digest(reference, digest)

    def of_body(self) -> Context:
        """The same for a body of parallel.map that begins here."""
        return replace(self, seen=Seen(self.seen))
