"""Deletes one tag of a registry and nothing else.

Deleting by the tag's name is optional in the distribution spec ("Deleting tags").
Where it is missing, the tag is taken away by way of a placeholder (``placeholder_delete``), but
on registries where that can't work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager

from regbot.errors import (
    NotConfirmed,
    NotSupported,
    RegbotError,
    RegistryError,
    RegistryNotFound,
    ScriptTimeout,
    Stopped,
)
from regbot.events import Emit, Message
from regbot.oci.digest import Digest
from regbot.oci.tag import Tag
from regbot.store.listing import LARGEST_PAGE
from regbot.store.placeholder_delete import LOOK, Finishing, PlaceholderDelete
from regbot.store.presence import Presence
from regbot.store.registries import Kind

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
_HEADS_FOR_A_PAGE = 4
"""A page of a list costs a registry as much as so many HEADs, about."""


class TagRemoval:
    """Deletes tags of one repository, and remembers what the registry can.

    ``finishing`` and ``turn`` are PlaceholderDelete's. ``kind`` tells what the registry is,
    as far as is known.
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
        self._finishing = finishing
        self._emit = emit
        self._kind = kind
        self._by_name = True
        self._deletes_indeed = False
        self._pages = 1
        self._placeholder_delete = PlaceholderDelete(
            presence, finishing=finishing, emit=emit, kind=kind, turn=turn
        )

    def delete(self, tag: Tag, digest: Digest) -> None:
        """Delete a tag that was seen on a digest, or leave it as it was and raise.

        Raises what ``PlaceholderDelete.take_away`` does, and NotConfirmed where it can't be
        read back.
        """
        if self.begin(tag, digest):
            for error in self.finish({tag: digest}).values():
                raise error

    def begin(self, tag: Tag, digest: Digest) -> bool:
        """The same, but a tag that is deleted by its name is not read back: then True."""
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
                return True
        if isinstance(refusal, RegistryNotFound) and self._presence.is_gone(tag):
            return False
        needs = self._kind().needs
        if needs:
            raise NotSupported(
                f"tag {self._name(tag)} is left alone: {self._kind().name} does not delete it by"
                f" its name ({needs})"
            ) from refusal
        self._placeholder_delete.take_away(tag, digest)
        return False

    def finish(self, tags: Mapping[Tag, Digest]) -> dict[Tag, RegbotError]:
        """Read deleted tags back; an error for each that has its digest still.

        So too for each that could not be seen: it may be there or not. The repository's
        first tag is asked for by itself, which shows that the registry deletes indeed;
        many others are looked up in the list of tags. A run that was asked to stop meanwhile
        still sees what became of its deletes.
        """
        look = self._presence
        try:
            look.wait(0)
        except Stopped:
            look = self._finishing(*LOOK)
        except ScriptTimeout:
            pass  # each of them says so
        there, unseen = self._still_there(tags, look)
        refused = {tag: self._not_confirmed(tag, error) for tag, error in unseen.items()}
        for tag, current in there.items():
            if current == tags[tag]:
                refused[tag] = NotSupported(
                    f"tag {self._name(tag)} is still there with {current}, though the registry"
                    " said that it was deleted (a pull-through cache fetches it again, and can't"
                    " be cleaned this way)"
                )
            else:
                self._warn(f"tag {self._name(tag)} was deleted, and is there again with {current}")
        gone = [tag for tag in tags if tag not in there and tag not in unseen]
        self._look_for_listed(gone, look)
        return refused

    def _still_there(
        self, tags: Mapping[Tag, Digest], look: Presence
    ) -> tuple[dict[Tag, Digest], dict[Tag, RegbotError]]:
        """Those of the tags that are there, and their digests; and those that can't be seen."""
        within = self._kind().settles_within
        left = list(tags)
        there: dict[Tag, Digest] = {}
        unseen: dict[Tag, RegbotError] = {}
        if not self._deletes_indeed:
            there, unseen = look.looked_at(left[:1], within)
            self._deletes_indeed = not there and not unseen
            left = left[1:]
        if self._deletes_indeed and len(left) >= _HEADS_FOR_A_PAGE * self._pages:
            left = self._listed(left, look)
        others, others_unseen = look.looked_at(left, within)
        return there | others, unseen | others_unseen

    def _listed(self, tags: list[Tag], look: Presence) -> list[Tag]:
        """Those of the tags that the repository lists; all where it lists none, or can't."""
        try:
            listed = set(look.tags.tags())
        except RegbotError:
            return tags
        self._pages = 1 + len(listed) // LARGEST_PAGE
        return [tag for tag in tags if tag in listed]

    def _look_for_listed(self, gone: Collection[Tag], look: Presence) -> None:
        """Warn of tags that are gone but listed, where the registry may leave them so."""
        kind = self._kind()
        if not kind.lists_deleted:
            return
        try:
            listed = look.still_listed(gone, kind.settles_within)
        except RegbotError as error:
            repository = self._presence.tags.repository
            self._warn(f"whether {repository} still lists deleted tags is not known: {error}")
            return
        for tag in sorted(listed):
            self._warn(f"tag {self._name(tag)} was deleted, and is still listed")

    def _not_confirmed(self, tag: Tag, error: RegbotError) -> RegbotError:
        """What is known of a tag that can't be seen; a run that was ended stays that."""
        text = (
            f"the registry accepted the delete of {self._name(tag)}, but whether the tag is gone"
            f" could not be seen: {error}"
        )
        if isinstance(error, Stopped | ScriptTimeout):
            return type(error)(text)
        return NotConfirmed(text)

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
