"""Deletes one tag of a registry and nothing else.

Deleting by the tag's name is optional in the distribution spec ("Deleting
tags"). Where it is missing, a small manifest of its own is put on the tag and
deleted by digest, so that the tag goes with it while other tags keep the
manifest they share. A registry that refuses the second half would leave the tag
destroyed, so deleting is proved first on a manifest that has no tag.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Protocol

from regbot.errors import (
    DigestMismatch,
    NotFound,
    NotSupported,
    RegbotError,
    RegistryError,
    RegistryNotFound,
)
from regbot.events import Emit, Message
from regbot.oci.digest import Digest
from regbot.oci.manifest import SCHEMA1, Head, Manifest
from regbot.oci.reference import Reference
from regbot.store.placeholder import Placeholder, placeholder, taking_away
from regbot.store.protocol import Chunks

_MEANS_UNSUPPORTED = frozenset({400, 404, 405})
_CODES_OF_A_REFUSED_NAME = frozenset(
    {"UNSUPPORTED", "DIGEST_INVALID", "MANIFEST_UNKNOWN", "MANIFEST_INVALID", "TAG_INVALID"}
)
_MEANS_REFUSED = _MEANS_UNSUPPORTED | {401, 403}
_BAD_REQUEST = 400
_READ_BACK_AFTER = (0.1, 0.4, 1.0, 2.0)
"""Seconds between looks at a tag that an eventually consistent registry still shows."""


class Tags(Protocol):
    """The plain calls of a store, answered by the registry itself and no mirror."""

    @property
    def repository(self) -> Reference:
        """The repository, without tag and digest."""
        ...

    def original_head(self, name: str) -> Head:
        """HEAD of a manifest."""
        ...

    def original(self, name: str) -> Manifest:
        """GET of a manifest."""
        ...

    def write(self, name: str, manifest: Manifest) -> None:
        """PUT of a manifest and nothing else."""
        ...

    def put_blob(self, content: Chunks, *, digest: Digest, size: int) -> None:
        """Store a blob."""
        ...

    def remove(self, name: str) -> None:
        """DELETE of a tag or digest, and nothing else."""
        ...


class TagRemoval:
    """Deletes tags of one repository, and remembers what the registry can.

    ``finishing`` gives the same calls in a way that outlives the run's stop for a
    few seconds, so that a tag is not left on the small manifest.
    """

    def __init__(
        self,
        tags: Tags,
        *,
        finishing: Callable[[], Tags],
        wait: Callable[[float], None],
        emit: Emit,
    ) -> None:
        self._tags = tags
        self._finishing = finishing
        self._wait = wait
        self._emit = emit
        self._by_name = True
        self._proved = False
        self._refusal: RegbotError | None = None
        self._lock = threading.Lock()
        self._swapping = threading.Lock()

    def delete(self, tag: str) -> None:
        """Delete it, or leave it as it was and raise."""
        digest = self._tags.original_head(tag).digest
        if self._by_name and self._deleted_by_name(tag, digest):
            self._read_back(tag, digest)
        else:
            self._replace_and_delete(tag, digest)

    def _deleted_by_name(self, tag: str, digest: Digest) -> bool:
        """False when the registry does not know how."""
        try:
            self._tags.remove(tag)
        except RegistryError as error:
            if not _is_about_names(error):
                raise
            self._by_name = self._by_name and isinstance(error, RegistryNotFound)
            return not self._still_on(tag, digest)
        return True

    def _read_back(self, tag: str, digest: Digest) -> None:
        """Raise when the tag still has the digest it should have gone with."""
        try:
            now = self._last_seen(tag)
        except RegbotError as error:
            self._warn(f"tag {self._name(tag)} was deleted, but could not be read back: {error}")
            return
        if now == digest:
            raise NotSupported(
                f"tag {self._name(tag)} is still there with {digest},"
                " though the registry said that it was deleted"
            )
        self._say_if_back(tag, now)

    def _say_if_back(self, tag: str, now: Digest | None) -> None:
        if now is not None:
            self._warn(f"tag {self._name(tag)} was deleted, and is there again with {now}")

    def _replace_and_delete(self, tag: str, digest: Digest) -> None:
        original = self._tags.original(tag)
        if original.digest != digest:
            raise self._moved(tag, original.digest, digest)
        if original.media_type in SCHEMA1:
            raise self._no_way_back(tag, "manifests of schema 1 are not written")
        self._prove(original.media_type)
        self._rehearse(tag, original)
        small = taking_away(original)
        self._push_blobs(small)
        if self._still_on(tag, digest):
            self._swap(tag, original, small.manifest)

    def _rehearse(self, tag: str, original: Manifest) -> None:
        """Raise unless the manifest could be put back: by its digest that changes nothing."""
        try:
            self._tags.write(str(original.digest), original)
        except RegistryError as error:
            if error.status not in _MEANS_REFUSED:
                raise
            raise self._no_way_back(tag, error) from error

    def _swap(self, tag: str, original: Manifest, small: Manifest) -> None:
        """Put the small manifest on the tag and delete it, or bring the original back.

        One tag after the other: registries lose tags' deletes to one another.
        """
        with self._swapping:
            try:
                self._tags.write(tag, small)
                self._remove(tag, small.digest)
            except BaseException as error:  # noqa: BLE001 - raised again, or done after all
                self._after_failure(tag, original, small, error)

    def _after_failure(
        self, tag: str, original: Manifest, small: Manifest, error: BaseException
    ) -> None:
        """Bring the original back, and raise unless the tag is gone after all."""
        if self._restored(tag, original, small):
            if isinstance(error, RegistryError | NotSupported):
                raise NotSupported(
                    f"tag {self._name(tag)} could not be deleted"
                    f" and has its manifest {original.digest} again ({error})"
                ) from error
            self._warn(f"tag {self._name(tag)} was not deleted and has {original.digest} again")
            raise error
        if not isinstance(error, RegbotError):
            raise error

    def _remove(self, tag: str, digest: Digest) -> None:
        self._tags.remove(str(digest))
        now = self._last_seen(tag)
        if now == digest:
            raise NotSupported(f"the registry said that {digest} was deleted, but it is there")
        self._say_if_back(tag, now)

    def _restored(self, tag: str, original: Manifest, small: Manifest) -> bool:
        """Put the original back; False when the tag is gone, so that there is no need.

        Raises DigestMismatch, with the tag left alone, when somebody else moved it.
        """
        try:
            tags = self._finishing()
            now = self._digest_on(tags, tag)
            if now in (small.digest, original.digest):
                self._write_back(tags, tag, original, shown=now == original.digest)
        except RegbotError as error:
            lost = (
                f"tag {self._name(tag)} may be left on the small manifest {small.digest}:"
                f" put {original.digest} back on it ({error})"
            )
            self._emit(Message("error", lost))
            raise
        if now is not None and now not in (small.digest, original.digest):
            raise self._moved(tag, now, original.digest)
        return now is not None

    @staticmethod
    def _write_back(tags: Tags, tag: str, original: Manifest, *, shown: bool) -> None:
        """PUT the original, also when it is ``shown``: that may be a stale answer."""
        try:
            tags.write(tag, original)
        except RegistryError:
            if not shown:
                raise

    def _prove(self, media_type: str) -> None:
        """Raise unless the registry deletes a manifest that no tag is on; asked once."""
        with self._lock:
            if self._proved:
                return
            if self._refusal is None:
                self._refusal = self._refusal_of(placeholder(media_type, "proves deleting works"))
            if self._refusal is None:
                self._proved = True
                return
            raise NotSupported(
                f"{self._tags.repository}: the registry refuses to delete,"
                f" every tag is as it was ({self._refusal})"
            ) from self._refusal

    def _refusal_of(self, proof: Placeholder) -> RegbotError | None:
        """Push a manifest without tag and delete it: None, or why it can't be done.

        What says nothing of deleting (429, 5xx, no answer) is raised.
        """
        name = str(proof.manifest.digest)
        self._push_blobs(proof)
        self._tags.write(name, proof.manifest)
        try:
            self._tags.remove(name)
        except RegistryNotFound as error:
            return error if self._last_seen(name) else None
        except RegistryError as error:
            if error.status not in _MEANS_REFUSED:
                raise
            return error
        if self._last_seen(name) is None:
            return None
        return NotSupported("it said that a manifest was deleted which is still there")

    def _push_blobs(self, small: Placeholder) -> None:
        for digest, content in small.blobs.items():
            self._tags.put_blob(partial(iter, (content,)), digest=digest, size=len(content))

    def _still_on(self, tag: str, digest: Digest) -> bool:
        """False when the tag is gone. Raises DigestMismatch when it moved."""
        now = self._digest_on(self._tags, tag)
        if now is not None and now != digest:
            raise self._moved(tag, now, digest)
        return now is not None

    def _last_seen(self, name: str) -> Digest | None:
        """The digest that is still there after some time, or None as soon as none is."""
        now = self._digest_on(self._tags, name)
        for seconds in _READ_BACK_AFTER:
            if now is None:
                return None
            self._wait(seconds)
            now = self._digest_on(self._tags, name)
        return now

    @staticmethod
    def _digest_on(tags: Tags, name: str) -> Digest | None:
        try:
            return tags.original_head(name).digest
        except NotFound:
            return None

    def _name(self, tag: str) -> str:
        return str(self._tags.repository.with_tag(tag))

    def _moved(self, tag: str, now: Digest, digest: Digest) -> DigestMismatch:
        return DigestMismatch(
            f"tag {self._name(tag)} moved from {digest} to {now} meanwhile: it is left alone"
        )

    def _no_way_back(self, tag: str, why: object) -> NotSupported:
        return NotSupported(
            f"tag {self._name(tag)} is left alone: the registry deletes no tags by name, and its"
            f" manifest could not be put back if deleting failed half-way ({why})"
        )

    def _warn(self, text: str) -> None:
        self._emit(Message("warn", text))


def _is_about_names(error: RegistryError) -> bool:
    """Whether an error means that tags can't be deleted by name, and nothing else."""
    if error.status not in _MEANS_UNSUPPORTED:
        return False
    if error.status == _BAD_REQUEST:
        return not _CODES_OF_A_REFUSED_NAME.isdisjoint(error.codes)
    return True
