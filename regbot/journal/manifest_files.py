"""Saved manifests as files ``<folder>/<algorithm>/<hex>``, each with its exact bytes.

A file is written under a temporary name, synced and renamed, so it is never incomplete.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from regbot.errors import ContentError, StorageError
from regbot.files import (
    TEMPORARY_PREFIX,
    read_whole,
    reading,
    sync_folder,
    temporary_file,
    write_all,
    writing,
)
from regbot.oci.digest import Digest
from regbot.oci.manifest import SCHEMA1, Manifest


class ManifestFiles:
    """The saved manifests. Threads and processes may share the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, manifests: Iterable[Manifest]) -> None:
        """Save manifests. They are on the disk when this returns. Raises StorageError."""
        for algorithm, group in _by_algorithm(manifests).items():
            folder = self._folder / algorithm
            with writing(folder):
                if not folder.is_dir():
                    folder.mkdir(parents=True, exist_ok=True)
                    sync_folder(self._folder)
            for manifest in group:
                self._write(manifest)
            with writing(folder):
                sync_folder(folder)

    def has(self, manifest: Manifest) -> bool:
        """Whether a manifest is saved."""
        return self._path(manifest.digest).is_file()

    def read(self, digest: Digest, media_type: str) -> Manifest:
        """A saved manifest, verified. Raises StorageError if it is gone or damaged."""
        path = self._path(digest)
        with reading(path):
            raw, _ = read_whole(path)
        try:
            if media_type not in SCHEMA1:
                digest.check(raw, str(path))
            manifest = Manifest.parse(raw, media_type, algorithm=digest.algorithm)
        except ContentError as error:
            raise StorageError(f"a saved manifest is damaged: {error}") from None
        if manifest.digest != digest:
            raise StorageError(f"a saved manifest is damaged: {path} is {manifest.digest}")
        return manifest

    def digests(self) -> list[Digest]:
        """The digests of all saved manifests. Raises StorageError."""
        return [
            Digest(path.parent.name, path.name)
            for path in self._files()
            if not path.name.startswith(TEMPORARY_PREFIX)
        ]

    def remove(self, digest: Digest) -> None:
        """Remove a manifest. Raises StorageError."""
        path = self._path(digest)
        with writing(path):
            path.unlink(missing_ok=True)

    def tidy(self, *, before: float) -> None:
        """Remove unfinished files not modified since ``before``, in seconds since 1970."""
        for path in self._files():
            if path.name.startswith(TEMPORARY_PREFIX):
                with writing(path), suppress(FileNotFoundError):
                    if path.lstat().st_mtime < before:
                        path.unlink()

    def _path(self, digest: Digest) -> Path:
        return self._folder / digest.algorithm / digest.hex

    def _write(self, manifest: Manifest) -> None:
        path = self._path(manifest.digest)
        with writing(path):
            if path.is_file() and read_whole(path)[0] == manifest.raw:
                return
            with temporary_file(path) as (descriptor, temporary):
                write_all(descriptor, manifest.raw)
                os.fsync(descriptor)
                temporary.rename(path)

    def _files(self) -> list[Path]:
        with reading(self._folder):
            if not self._folder.is_dir():
                return []
            folders = [path for path in self._folder.iterdir() if path.is_dir()]
            return [path for folder in folders for path in folder.iterdir()]


def _by_algorithm(manifests: Iterable[Manifest]) -> dict[str, list[Manifest]]:
    groups: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        groups.setdefault(manifest.digest.algorithm, []).append(manifest)
    return groups
