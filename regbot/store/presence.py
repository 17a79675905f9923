"""Whether a tag or a manifest is there, on registries that show changes late or answer oddly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from regbot.errors import ConnectionFailed, NotFound, RegbotError, ServerFault
from regbot.oci.digest import Digest
from regbot.oci.manifest import Head, Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Name, Tag
from regbot.store.protocol import Chunks
from regbot.values import dataclass

LOOK_HOLDS = 0.1
"""Seconds after which a look at a tag is repeated before the tag is changed."""
_LOOKS = (0.1, 0.4, 1.0, 2.0)
_FURTHER_LOOKS = 5.0
"""Seconds between looks at what an eventually consistent registry still shows."""

_FAILURES = 3
"""Looks in a row that fail until no other name is looked at."""

N = TypeVar("N", bound=Name)
"""Names of a kind: tags, or digests."""


class Tags(Protocol):
    """The plain calls of a store, answered by the registry itself and no mirror."""

    @property
    def repository(self) -> Reference:
        """The repository, without tag and digest."""
        ...

    def tags(self) -> list[Tag]:
        """All tags."""
        ...

    def original_head(self, name: Name) -> Head:
        """HEAD of a manifest."""
        ...

    def original(self, name: Name) -> Manifest:
        """GET of a manifest."""
        ...

    def seen_at(self, tag: Tag) -> tuple[float, Manifest] | None:
        """When a GET last showed what is on a tag, in monotonic seconds, and what that was."""
        ...

    def upload(self, content: Chunks, *, digest: Digest, size: int) -> None:
        """Store a blob that is surely not there."""
        ...

    def write(self, name: Name, manifest: Manifest, *, retry: bool = True) -> None:
        """PUT of a manifest and nothing else; ``retry`` False sends it once."""
        ...

    def put_blob(self, content: Chunks, *, digest: Digest, size: int) -> bool:
        """Store a blob."""
        ...

    def remove(self, name: Name) -> None:
        """DELETE of a tag or digest, and nothing else."""
        ...


@dataclass(frozen=True, slots=True)
class Presence:
    """Looks at one repository. ``wait`` sleeps for seconds, or raises when the run ends."""

    tags: Tags
    wait: Callable[[float], None]

    def digest_at(self, name: Name) -> Digest | None:
        """The digest that a tag or digest leads to; None where it is not there."""
        try:
            return self.tags.original_head(name).digest
        except NotFound:
            return None

    def last_seen(self, names: Iterable[N], within: float) -> dict[N, Digest]:
        """Those of the names that are still there after ``within`` seconds, and their digests.

        Raises what kept one of them from being seen.
        """
        there, unseen = self.looked_at(names, within)
        for error in unseen.values():
            raise error
        return there

    def looked_at(
        self, names: Iterable[N], within: float
    ) -> tuple[dict[N, Digest], dict[N, RegbotError]]:
        """The same, and for each name that could not be seen why. Raises nothing."""
        there, unseen = self._digests_at(names)
        for seconds in _pauses(within):
            if not there:
                break
            try:
                self.wait(seconds)
            except RegbotError as error:
                return {}, unseen | dict.fromkeys(there, error)
            there, failed = self._digests_at(there)
            unseen |= failed
        return there, unseen

    def _digests_at(self, names: Iterable[N]) -> tuple[dict[N, Digest], dict[N, RegbotError]]:
        there: dict[N, Digest] = {}
        unseen: dict[N, RegbotError] = {}
        failures = 0
        left = list(names)
        while left and failures < _FAILURES:
            name = left.pop(0)
            try:
                digest = self.digest_at(name)
            except RegbotError as error:
                unseen[name] = error
                failures += 1
                if failures == _FAILURES:
                    unseen |= dict.fromkeys(left, error)
            else:
                failures = 0
                if digest:
                    there[name] = digest
        return there, unseen

    def is_listed(self, tag: Tag) -> bool:
        """Whether the repository lists a tag."""
        return bool(self._listed({tag}))

    def still_listed(self, tags: Iterable[Tag], within: float) -> set[Tag]:
        """Those of the tags that the repository still lists after ``within`` seconds."""
        left = set(tags)
        for seconds in (0.0, *_pauses(within)):
            if not left:
                break
            if seconds:
                self.wait(seconds)
            left = self._listed(left)
        return left

    def _listed(self, tags: set[Tag]) -> set[Tag]:
        try:
            return tags.intersection(self.tags.tags())
        except NotFound:
            return set()

    def is_gone(self, name: Name) -> bool:
        """Whether a tag or digest is gone, by two answers: one 404 may be a stale one."""
        if self.digest_at(name) is not None:
            return False
        if not isinstance(name, Digest):
            return not self.is_listed(name)
        try:
            self.tags.original(name)
        except NotFound:
            return True
        return False

    def remove(self, name: Name) -> None:
        """DELETE a tag or digest.

        An answer that does not tell what happened (5xx, or none at all) is raised only
        when it is still there.
        """
        try:
            self.tags.remove(name)
        except (ServerFault, ConnectionFailed):
            if not self._seems_gone(name):
                raise

    def _seems_gone(self, name: Name) -> bool:
        try:
            return self.is_gone(name)
        except RegbotError:
            return False


def _pauses(within: float) -> Iterator[float]:
    """Seconds between looks, the longer the later; about ``within`` together."""
    passed = 0.0
    for seconds in _LOOKS:
        if passed + seconds > within:
            return
        passed += seconds
        yield seconds
    while passed + _FURTHER_LOOKS <= within:
        passed += _FURTHER_LOOKS
        yield _FURTHER_LOOKS
