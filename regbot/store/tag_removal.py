"""Deletes one tag of a registry and nothing else.

Deleting by the tag's name is optional in the distribution spec ("Deleting tags").
Where it is missing, the tag is taken away by way of a placeholder (``swap``), but
on registries where that can't work.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from regbot.errors import NotSupported, RegbotError, RegistryError, RegistryNotFound
from regbot.events import Emit, Message
from regbot.oci.digest import Digest
from regbot.oci.tag import Tag
from regbot.store.presence import Presence
from regbot.store.registries import Kind
from regbot.store.swap import Finishing, Swap

_MEANS_UNSUPPORTED = frozenset({400, 404, 405})
_CODES_OF_A_REFUSED_NAME = frozenset(
    {
        "UNSUPPORTED",
        "DIGEST_INVALID",
        "MANIFEST_UNKNOWN",
        "MANIFEST_INVALID",
        "TAG_INVALID",
        "INVALID_REQUEST",
    }
)
_BAD_REQUEST = 400


class TagRemoval:
    """Deletes tags of one repository, and remembers what the registry can.

    ``finishing`` and ``turn`` are Swap's. ``kind`` tells what the registry is, as far as is known.
    """

    def __init__(
        self,
        presence: Presence,
        *,
        finishing: Finishing,
        emit: Emit,
        kind: Callable[[], Kind],
        turn: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._presence = presence
        self._emit = emit
        self._kind = kind
        self._by_name = True
        self._swap = Swap(presence, finishing=finishing, emit=emit, kind=kind, turn=turn)

    def delete(self, tag: Tag, digest: Digest) -> None:
        """Delete a tag that was seen on a digest, or leave it as it was and raise.

        Raises what ``Swap.take_away`` does.
        """
        refusal: RegistryError | None = None
        if self._by_name:
            try:
                self._presence.remove(tag)
            except RegistryError as error:
                if not _is_about_names(error):
                    raise
                self._by_name = isinstance(error, RegistryNotFound)
                refusal = error
            else:
                self._read_back(tag, digest)
                return
        if isinstance(refusal, RegistryNotFound) and self._presence.is_gone(tag):
            return
        needs = self._kind().needs
        if needs:
            raise NotSupported(
                f"tag {self._name(tag)} is left alone: {self._kind().name} does not delete it by"
                f" its name ({needs})"
            ) from refusal
        self._swap.take_away(tag, digest)

    def _read_back(self, tag: Tag, digest: Digest) -> None:
        """Raise when the tag still has the digest it should have gone with."""
        within = self._kind().settles_within
        try:
            current = self._presence.last_seen(tag, within)
            listed = self._kind().lists_deleted and self._presence.still_listed(tag, within)
        except RegbotError as error:
            self._warn(f"tag {self._name(tag)} was deleted, but could not be read back: {error}")
            return
        if current == digest:
            raise NotSupported(
                f"tag {self._name(tag)} is still there with {digest}, though the registry said"
                " that it was deleted (a pull-through cache fetches it again, and can't be"
                " cleaned this way)"
            )
        if current is not None:
            self._warn(f"tag {self._name(tag)} was deleted, and is there again with {current}")
        elif listed:
            self._warn(f"tag {self._name(tag)} was deleted, and is still listed")

    def _name(self, tag: Tag) -> str:
        return str(self._presence.tags.repository.with_tag(tag))

    def _warn(self, text: str) -> None:
        self._emit(Message("warn", text))


def _is_about_names(error: RegistryError) -> bool:
    """Whether an error means that tags can't be deleted by name, and nothing else."""
    if error.status not in _MEANS_UNSUPPORTED:
        return False
    if error.status == _BAD_REQUEST:
        return not _CODES_OF_A_REFUSED_NAME.isdisjoint(error.codes)
    return True
