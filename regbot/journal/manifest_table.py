"""The saved manifests of the history in a table, each with its exact bytes."""

from __future__ import annotations

from collections.abc import Iterable

from regbot.errors import ContentError, InvalidValue, StorageError
from regbot.journal.database import Database
from regbot.oci.digest import Digest
from regbot.oci.manifest import Manifest

MANIFESTS = ("CREATE TABLE manifest (digest TEXT PRIMARY KEY, content BLOB NOT NULL)",)
"""The table."""


class ManifestTable:
    """The saved manifests in the database that has the history.

    What is added within a transaction is durable when that ends, as its entries are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, manifests: Iterable[Manifest]) -> None:
        """Save manifests, in place of those that are damaged.

        They go in by their order, so that writers who add the same don't wait for each other.
        """
        contents = {str(manifest.digest): manifest.raw for manifest in manifests}
        if contents:
            self._database.run_many(
                "INSERT INTO manifest (digest, content) VALUES (?, ?) ON CONFLICT (digest)"
                " DO UPDATE SET content = excluded.content"
                " WHERE manifest.content <> excluded.content",
                sorted(contents.items()),
            )

    def has(self, manifest: Manifest) -> bool:
        """Whether a manifest is saved."""
        query = "SELECT 1 FROM manifest WHERE digest = ?"
        return bool(self._database.rows(query, (str(manifest.digest),)))

    def read(self, digest: Digest, media_type: str) -> Manifest:
        """A saved manifest, verified. Raises StorageError if it is gone or damaged."""
        query = "SELECT content FROM manifest WHERE digest = ?"
        for (content,) in self._database.rows(query, (str(digest),)):
            try:
                return Manifest.checked(bytes(content), digest, media_type, what=str(digest))
            except (ContentError, TypeError) as error:
                raise StorageError(f"a saved manifest is damaged: {error}") from None
        raise StorageError(f"a saved manifest is gone: {digest} is not in the history")

    def digests(self) -> list[Digest]:
        """The digests of the saved manifests."""
        return self._digests("SELECT digest FROM manifest")

    def maybe_unused(self) -> list[Digest]:
        """The digests of those that no entry needs now; of some million the database knows it."""
        return self._digests(
            "SELECT digest FROM manifest"
            " WHERE NOT EXISTS (SELECT 1 FROM saved WHERE saved.digest = manifest.digest)"
        )

    def remove(self, digest: Digest) -> None:
        """Remove a manifest."""
        self._database.run("DELETE FROM manifest WHERE digest = ?", (str(digest),))

    def tidy(self, *, before: float) -> None:
        """Do nothing, since a transaction leaves nothing unfinished."""

    def _digests(self, query: str) -> list[Digest]:
        try:
            return [Digest.parse(text) for (text,) in self._database.rows(query)]
        except InvalidValue as error:
            raise self._database.damaged(error) from None
