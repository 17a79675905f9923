"""Manifests in a folder by digest, ``<folder>/<algorithm>/<hex>``, the exact bytes of each.

A file is written beside its place, synced and renamed: it is whole or not there.
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
    """The kept manifests. Threads and processes may share the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, manifests: Iterable[Manifest]) -> None:
        """Keep manifests, durable when this returns. Raises StorageError."""
        for algorithm, own in _by_algorithm(manifests).items():
            folder = self._folder / algorithm
            with writing(folder):
                if not folder.is_dir():
                    folder.mkdir(parents=True, exist_ok=True)
                    sync_folder(self._folder)
            for manifest in own:
                self._write(manifest)
            with writing(folder):
                sync_folder(folder)

    def has(self, manifest: Manifest) -> bool:
        """Whether a manifest's file is there."""
        return self._path(manifest.digest).is_file()

    def read(self, digest: Digest, media_type: str) -> Manifest:
        """A kept manifest, checked. Raises StorageError when it is gone or damaged."""
        path = self._path(digest)
        with reading(path):
            raw, _ = read_whole(path)
        try:
            if media_type not in SCHEMA1:
                digest.check(raw, str(path))
            manifest = Manifest.parse(raw, media_type, algorithm=digest.algorithm)
        except ContentError as error:
            raise StorageError(f"a kept manifest is damaged: {error}") from None
        if manifest.digest != digest:
            raise StorageError(f"a kept manifest is damaged: {path} is {manifest.digest}")
        return manifest

    def digests(self) -> list[Digest]:
        """What is kept. Raises StorageError."""
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
        """Remove unfinished files not written to since ``before``, seconds since 1970."""
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
    found: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        found.setdefault(manifest.digest.algorithm, []).append(manifest)
    return found
