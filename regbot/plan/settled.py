"""What a script reads of repositories in which deletes are finished behind it.

A read that rests on such a delete waits until it is finished: that of the tag, and that
of all tags.
"""

from __future__ import annotations

from collections.abc import Callable

from regbot.oci.digest import Digest
from regbot.oci.manifest import Head, Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Name, Tag
from regbot.store.protocol import ReadStore, ReadStores
from regbot.store.view import View

SettleBefore = Callable[[Reference, Tag | None], None]
"""Finishes the deletes of a repository that a read of a tag rests on; None is all tags."""


class SettledStores:
    """The repositories of ``base`` as a script sees them."""

    def __init__(self, base: ReadStores, settle_before: SettleBefore) -> None:
        self._base = base
        self._settle_before = settle_before

    def open(self, reference: Reference) -> ReadStore:
        """The view of the reference's repository."""
        return SettledStore(self._base.open(reference), self._settle_before)

    def repositories(self, registry: str, *, limit: int | None = None, last: str = "") -> list[str]:
        """As the base lists them."""
        return self._base.repositories(registry, limit=limit, last=last)


class SettledStore(View):
    """One repository as a script sees it; threads may share it."""

    def __init__(self, base: ReadStore, settle_before: SettleBefore) -> None:
        super().__init__(base)
        self._settle_before = settle_before

    def tags(self, *, limit: int | None = None, last: str = "") -> list[Tag]:
        """The tags, once all deletes are finished."""
        self._settle_before(self.repository, None)
        return self._base.tags(limit=limit, last=last)

    def head(self, name: Name) -> Head:
        """The head, once a delete of this tag is finished."""
        self._before(name)
        return self._base.head(name)

    def manifest(self, name: Name) -> Manifest:
        """The manifest, once a delete of this tag is finished."""
        self._before(name)
        return self._base.manifest(name)

    def _before(self, name: Name) -> None:
        if not isinstance(name, Digest):
            self._settle_before(self.repository, name)
