"""Proves that a registry deletes by digest, on a manifest of regbot's own; asked once.

First on a manifest that no tag is on. Some registries (Quay up to 3.12) keep such a
manifest by a hidden tag, so that it can be read and not deleted: there the proof is
taken on a tag of regbot's own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from regbot.errors import NotSupported, Protected, RegbotError, RegistryError, RegistryNotFound
from regbot.oci.digest import Digest
from regbot.oci.tag import Name, Tag
from regbot.store.placeholder import Placeholder, placeholder_for
from regbot.store.presence import Presence, Tags
from regbot.store.registries import Kind

MEANS_REFUSED = frozenset({400, 401, 403, 404, 405})
PROOF_TAG = Tag("regbot-proves-deleting-works")
"""The tag of the second proof; where deleting is refused it stays."""


class Proof:
    """The proof for one repository; threads may share it."""

    def __init__(self, presence: Presence, kind: Callable[[], Kind]) -> None:
        self._presence = presence
        self._tags = presence.tags
        self._kind = kind
        self._proved = False
        self._refusal: RegbotError | None = None
        self._lock = threading.Lock()

    def require(self, media_type: str) -> bool:
        """Raise NotSupported unless deleting works. True where that was known already.

        What says nothing of deleting (429, 5xx, no answer) is raised as it is.
        """
        with self._lock:
            if self._proved:
                return True
            if self._refusal is None:
                self._refusal = self._refusal_of(
                    placeholder_for(media_type, "proves deleting works")
                )
            if self._refusal is None:
                self._proved = True
                return False
            raise NotSupported(
                f"{self._tags.repository}: the registry refuses to delete,"
                f" every tag is as it was ({self._refusal})"
            ) from self._refusal

    def _refusal_of(self, placeholder: Placeholder) -> RegbotError | None:
        """None, or why deleting does not work."""
        push_blobs(self._tags, placeholder)
        left = self._presence.digest_at(PROOF_TAG) is not None
        if left or self._kind().lists_deleted:
            return self._refusal_at(PROOF_TAG, placeholder)
        refusal = self._refusal_at(placeholder.manifest.digest, placeholder)
        if isinstance(refusal, RegistryNotFound):
            return self._refusal_at(PROOF_TAG, placeholder)
        return refusal

    def _refusal_at(self, name: Name, placeholder: Placeholder) -> RegbotError | None:
        """Put the manifest under a name, and delete it by its digest."""
        within = self._kind().settles_within
        self._tags.write(name, placeholder.manifest)
        try:
            self._tags.remove(placeholder.manifest.digest)
        except RegistryNotFound as error:
            return error if self._presence.last_seen([name], within) else None
        except RegistryError as error:
            if error.status not in MEANS_REFUSED and not isinstance(error, Protected):
                raise
            return error
        if self._presence.last_seen([name], within):
            return NotSupported("it reported a manifest as deleted that still exists")
        if isinstance(name, Digest) or not self._kind().lists_deleted:
            return None
        if self._presence.still_listed([name], within):
            return NotSupported(f"it still lists the tag {name} after its manifest was deleted")
        return None


def push_blobs(tags: Tags, placeholder: Placeholder) -> None:
    """Store the blobs that a placeholder needs."""
    for digest, content in placeholder.blobs.items():
        tags.put_blob(partial(iter, (content,)), digest=digest, size=len(content))
