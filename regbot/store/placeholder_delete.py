"""Takes a tag away by way of a placeholder, where it can't be deleted by its name.

The placeholder is put on the tag and deleted by digest, so that the tag goes with
it while other tags keep the manifest they share. A registry that refuses the second
half would leave the tag destroyed, so deleting is proved first (``proof``), and what
was on the tag is put back before everything else.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial

from regbot.errors import (
    AttemptEnded,
    ConnectionFailed,
    DigestMismatch,
    NotFound,
    NotRestored,
    NotSupported,
    Protected,
    RegbotError,
    RegistryError,
    ScriptTimeout,
    ServerFault,
    Stopped,
    TooManyRequests,
)
from regbot.events import Emit, LeftBehind, Message
from regbot.oci.digest import Digest
from regbot.oci.manifest import SCHEMA1, Manifest
from regbot.oci.tag import Tag
from regbot.stopping import FINISHED_BY, Clock
from regbot.store.placeholder import Placeholder, taking_away
from regbot.store.presence import LOOK_HOLDS, Presence
from regbot.store.proof import MEANS_REFUSED, Proof
from regbot.store.registries import Kind

Finishing = Callable[[float, float], Presence]
"""Gives a way to ask and write that the run's end does not end, and nothing slows down.

It lasts for some seconds, and once somebody has asked to stop for a part of the grace.
"""

LOOK = (10.0, 0.65)
_RESTORE = (60.0, FINISHED_BY)
"""Seconds to look at a tag and to put it back, and until which part of the grace."""
_WATCH = (0.5, 1.0, 2.0)
"""Seconds between looks at a tag that a late write may still change."""
_TRIES = 5
_UNCERTAIN = (ConnectionFailed, ServerFault, Stopped, ScriptTimeout)
"""After these a registry may still carry out what it was asked."""


class PlaceholderDelete:
    """Takes tags of one repository away; threads may share it.

    ``turn`` is waited for before each swap, and kept to its end.
    """

    def __init__(
        self,
        presence: Presence,
        *,
        finishing: Finishing,
        emit: Emit,
        kind: Callable[[], Kind],
        turn: Callable[[], AbstractContextManager[None]],
        clock: Clock = time.monotonic,
    ) -> None:
        self._presence = presence
        self._tags = presence.tags
        self._finishing = finishing
        self._emit = emit
        self._kind = kind
        self._proof = Proof(presence, kind)
        self._turn = turn
        self._clock = clock
        self._layers: set[Digest] = set()

    def take_away(self, tag: Tag, digest: Digest) -> None:
        """Delete a tag that was seen on a digest, or leave it as it was and raise.

        Raises NotSupported, Protected, the registry's own error, DigestMismatch when
        the tag moved, and NotRestored when it could not be left as it was.
        """
        seen_at, original = self._original(tag, digest)
        if original is None:
            return
        if original.digest != digest:
            raise self._moved(tag, original.digest, digest)
        if original.media_type in SCHEMA1:
            raise self._no_way_back(tag, "manifests of schema 1 are not written")
        if not self._proof.require(original.media_type):
            seen_at = -math.inf
        placeholder = taking_away(original)
        with ThreadPoolExecutor(1, "swap") as pool:
            pushed = pool.submit(self._push, placeholder)
            self._rehearse(tag, original)
            pushed.result()
        self._swap(tag, original, placeholder.manifest, seen_at)

    def _push(self, placeholder: Placeholder) -> None:
        """Store the blobs of a placeholder: of its own the config, the layer once for all."""
        for digest, content in placeholder.blobs.items():
            is_layer = digest in {layer.digest for layer in placeholder.manifest.layers}
            if is_layer and digest in self._layers:
                continue
            store = self._tags.put_blob if is_layer else self._tags.upload
            store(partial(iter, (content,)), digest=digest, size=len(content))
            if is_layer:
                self._layers.add(digest)

    def _original(self, tag: Tag, digest: Digest) -> tuple[float, Manifest | None]:
        """When the tag was seen, and what is on it; None where it is gone.

        The look that the caller took counts as long as it is fresh.
        """
        seen = self._tags.seen_at(tag)
        if seen and seen[1].digest == digest and self._clock() - seen[0] < LOOK_HOLDS:
            return seen
        at = self._clock()
        return at, self._read(tag)

    def _read(self, tag: Tag) -> Manifest | None:
        try:
            return self._tags.original(tag)
        except NotFound:
            if not self._presence.is_gone(tag):
                raise NotSupported(f"{self._name(tag)} is listed, but has no manifest") from None
            return None

    def _is_on(self, tag: Tag, digest: Digest) -> bool:
        """False when the tag is gone. Raises DigestMismatch when it moved."""
        current = self._presence.digest_at(tag)
        if current is None and not self._presence.is_gone(tag):
            raise NotSupported(f"{self._name(tag)} is listed, but has no manifest")
        if current is not None and current != digest:
            raise self._moved(tag, current, digest)
        return current is not None

    def _rehearse(self, tag: Tag, original: Manifest) -> None:
        """Raise unless the manifest could be put back: by its digest that changes nothing."""
        try:
            self._tags.write(original.digest, original)
        except RegistryError as error:
            if error.status not in MEANS_REFUSED:
                raise
            raise self._no_way_back(tag, error) from error

    def _swap(self, tag: Tag, original: Manifest, placeholder: Manifest, seen_at: float) -> None:
        """Put the placeholder on the tag and delete it, or bring the original back.

        One tag after the other, whichever run asks: registries lose tags' deletes to
        one another. A tag that was not seen just now is looked at once more.
        """
        with self._turn():
            self._presence.wait(0)  # a run that ended meanwhile begins nothing
            is_fresh = self._clock() - seen_at < LOOK_HOLDS
            if not is_fresh and not self._is_on(tag, original.digest):
                return
            try:
                self._put_placeholder(tag, placeholder)
                self._remove(tag, placeholder.digest)
            except BaseException as error:  # noqa: BLE001 - raised again, or done after all
                self._after_failure(tag, original, placeholder, error)

    def _put_placeholder(self, tag: Tag, placeholder: Manifest) -> None:
        """PUT the placeholder on the tag.

        Again only where it was refused for now: what was not answered may be carried
        out late, and would come back after the tag is gone.
        """
        for _ in range(_TRIES - 1):
            try:
                return self._tags.write(tag, placeholder, retry=False)
            except TooManyRequests:
                continue
        return self._tags.write(tag, placeholder, retry=False)

    def _remove(self, tag: Tag, digest: Digest) -> None:
        self._tags.remove(digest)
        within = self._kind().settles_within
        current = self._presence.last_seen([tag], within).get(tag)
        if current == digest:
            raise NotSupported(f"the registry said that {digest} was deleted, but it is there")
        if current is not None:
            self._warn(f"tag {self._name(tag)} was deleted, and is there again with {current}")
        elif self._kind().lists_deleted and self._presence.still_listed([tag], within):
            raise NotSupported("the registry still lists the tag after its manifest was deleted")

    def _after_failure(
        self, tag: Tag, original: Manifest, placeholder: Manifest, error: BaseException
    ) -> None:
        """Bring the original back, and raise unless the tag is gone after all."""
        if self._is_gone(tag, original, placeholder):
            if not isinstance(error, RegbotError):
                raise error
            return
        try:
            self._put_back(tag, original, placeholder, watch=isinstance(error, _UNCERTAIN))
        except AttemptEnded as ended:
            self._emit(LeftBehind(self._name(tag), str(original.digest)))
            raise AttemptEnded(
                f"{ended}; tag {self._name(tag)} may be left on the placeholder"
                f" {placeholder.digest}, which the next delete of it takes away"
            ) from ended
        except RegbotError as failure:
            self._emit(LeftBehind(self._name(tag), str(original.digest)))
            raise NotRestored(
                f"tag {self._name(tag)} may be left on the placeholder {placeholder.digest}:"
                f" put {original.digest} back on it ({failure.__cause__ or failure})"
            ) from failure
        if isinstance(error, RegistryError | NotSupported) and not isinstance(error, Protected):
            raise NotSupported(
                f"tag {self._name(tag)} could not be deleted"
                f" and has its manifest {original.digest} again ({error})"
            ) from error
        if not isinstance(error, Protected):
            self._warn(f"tag {self._name(tag)} was not deleted and has {original.digest} again")
        raise error

    def _is_gone(self, tag: Tag, original: Manifest, placeholder: Manifest) -> bool:
        """Whether the tag went with the placeholder after all: both have to be gone.

        Each by two answers, and another digest is believed from a manifest's bytes alone,
        for a HEAD may be stale or wrong. Raises DigestMismatch, with the tag left alone,
        when somebody else moved it. What can't be read is taken to be there.
        """
        look = self._finishing(*LOOK)
        try:
            if look.is_gone(tag):
                return look.is_gone(placeholder.digest)
            current = look.tags.original(tag).digest
        except RegbotError:
            return False
        if current not in (placeholder.digest, original.digest):
            raise self._moved(tag, current, original.digest)
        return False

    def _put_back(
        self, tag: Tag, original: Manifest, placeholder: Manifest, *, watch: bool
    ) -> None:
        """PUT the original, whatever the tag seems to be on: that may be a stale answer.

        ``watch`` looks at the tag for some seconds more, and does it again where the
        placeholder comes late.
        """
        restore = self._finishing(*_RESTORE)
        try:
            restore.tags.write(tag, original)
        except RegistryError:
            if restore.digest_at(tag) != original.digest:
                raise
        for seconds in _WATCH if watch else ():
            try:
                restore.wait(seconds)
                current = restore.digest_at(tag)
            except RegbotError:
                return
            if current in (None, placeholder.digest):
                restore.tags.write(tag, original)

    def _name(self, tag: Tag) -> str:
        return str(self._tags.repository.with_tag(tag))

    def _moved(self, tag: Tag, current: Digest, digest: Digest) -> DigestMismatch:
        return DigestMismatch(
            f"tag {self._name(tag)} moved from {digest} to {current} meanwhile: it is left alone"
        )

    def _no_way_back(self, tag: Tag, why: object) -> NotSupported:
        return NotSupported(
            f"tag {self._name(tag)} is left alone: the registry deletes no tags by name, and its"
            f" manifest could not be put back if deleting failed half-way ({why})"
        )

    def _warn(self, text: str) -> None:
        self._emit(Message("warn", text))
