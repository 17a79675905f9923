"""The saved manifests of the history, in a folder by digest, each with its exact bytes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from regbot.errors import ContentError, NotFound, StorageError
from regbot.files import writing
from regbot.oci.digest import Digest
from regbot.oci.manifest import Manifest
from regbot.store.digest_files import DigestFiles


class ManifestFiles:
    """The saved manifests. Threads and processes may share the folder.

    Every method raises StorageError when the file system refuses.
    """

    def __init__(self, folder: Path) -> None:
        self._files = DigestFiles(folder, str(folder))

    def add(self, manifests: Iterable[Manifest]) -> None:
        """Save manifests. They are on the disk when this returns."""
        wanted = list(manifests)
        missing = [manifest for manifest in wanted if not self._has_bytes(manifest)]
        self._files.write_all({manifest.digest: manifest.raw for manifest in missing})
        for algorithm in {manifest.digest.algorithm for manifest in wanted}:
            self._files.sync(algorithm)

    def has(self, manifest: Manifest) -> bool:
        """Whether a manifest is saved."""
        return self._files.has(manifest.digest)

    def read(self, digest: Digest, media_type: str) -> Manifest:
        """A saved manifest, verified. Raises StorageError if it is gone or damaged."""
        try:
            raw = b"".join(self._files.chunks(digest))
            return Manifest.checked(raw, digest, media_type, what=self._files.path(digest))
        except NotFound as error:
            raise StorageError(f"a saved manifest is gone: {error}") from None
        except ContentError as error:
            raise StorageError(f"a saved manifest is damaged: {error}") from None

    def digests(self) -> list[Digest]:
        """The digests of the saved manifests."""
        return [digest for digest, _ in self._files.files() if digest]

    def maybe_unused(self) -> list[Digest]:
        """The digests of all, since no file tells who needs it."""
        return self.digests()

    def remove(self, digest: Digest) -> None:
        """Remove a manifest."""
        self._files.remove(digest)

    def tidy(self, *, before: float) -> None:
        """Remove unfinished files not written to since ``before``, seconds since 1970."""
        for digest, path in self._files.files():
            if digest is None:
                with writing(path), suppress(FileNotFoundError):
                    if os.lstat(path).st_mtime < before:
                        os.unlink(path)

    def _has_bytes(self, manifest: Manifest) -> bool:
        if not self.has(manifest):
            return False
        try:
            return self._files.read(manifest.digest, manifest.size) == manifest.raw
        except (ContentError, NotFound):
            return False
