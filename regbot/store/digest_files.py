"""Files named after the digests of their bytes, ``<folder>/<algorithm>/<hex>``.

Layout folders keep their blobs so (OCI image spec, "Image Layout"), and the journal its
manifests. A file is written beside its place, synced and renamed, so it is whole or not
there. Bytes are not checked here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import suppress
from io import FileIO
from itertools import islice
from pathlib import Path

from regbot.errors import InvalidValue, NotFound, SizeMismatch
from regbot.files import (
    TEMPORARY_PREFIX,
    Check,
    create_beside,
    no_check,
    reading,
    regular_descriptor,
    sync_folder,
    temporary_file,
    write_all,
    writing,
)
from regbot.oci.digest import Digest

CHUNK_SIZE = 256 * 1024
_OPEN_AT_ONCE = 128
_SYNCED_AT_ONCE = 32
_LISTED_AT_ONCE = 1000


class DigestFiles:
    """The files of one folder; threads and processes may share it.

    ``name`` is what errors call the place, ``check`` is called before each change. Every
    method raises StorageError when the file system refuses, and NotFound where a file is
    asked for that is not there.
    """

    def __init__(self, folder: Path, name: str, check: Check = no_check) -> None:
        self._folder = folder
        self._name = name
        self._check = check

    def __str__(self) -> str:
        return self._name

    def path(self, digest: Digest) -> str:
        """Where a file is or would be."""
        return f"{self._folder}/{digest.algorithm}/{digest.hex}"

    def has(self, digest: Digest) -> bool:
        """Whether a file is there."""
        return os.path.isfile(self.path(digest))

    def size(self, digest: Digest) -> int:
        """Bytes of a file."""
        with self._open(digest, self.path(digest)) as file:
            return os.fstat(file.fileno()).st_size

    def chunks(self, digest: Digest) -> Iterator[bytes]:
        """The bytes of a file."""
        path = self.path(digest)
        with self._open(digest, path) as file, reading(path):
            while chunk := file.read(CHUNK_SIZE):
                yield chunk

    def read(self, digest: Digest, limit: int) -> bytes:
        """A small file as a whole. Raises SizeMismatch when it has more than ``limit`` bytes."""
        path = self.path(digest)
        with self._open(digest, path) as file, reading(path):
            size = os.fstat(file.fileno()).st_size
            content = file.read(min(limit, size) + 1)
            while len(content) < min(limit + 1, size):  # network file systems may give less
                rest = file.read(min(limit + 1, size) - len(content))
                if not rest:
                    break
                content += rest
        if len(content) > limit:
            raise SizeMismatch(f"{digest} of {self}: more than the limit of {limit} bytes")
        return content

    def add(self, digest: Digest, chunks: Iterable[bytes]) -> None:
        """Write a file; the chunks raise when they are not what the digest says."""
        self.write(digest, chunks)
        self.sync(digest.algorithm)

    def write(self, digest: Digest, chunks: Iterable[bytes]) -> None:
        """Write one of several files, which outlast a power cut after ``sync``."""
        path = self.path(digest)
        self._make(self._folder / digest.algorithm)
        with temporary_file(path) as (descriptor, temporary):
            for chunk in chunks:
                with writing(path):
                    write_all(descriptor, chunk)
            with writing(path):
                os.fsync(descriptor)
                self._check()
                os.rename(temporary, path)

    def write_all(self, contents: Mapping[Digest, bytes]) -> None:
        """Write small files, each as ``write`` does; together they take little longer than one."""
        waiting = list(contents.items())
        if len(waiting) == 1:
            [(digest, content)] = waiting
            self.write(digest, [content])
            return
        for algorithm in {digest.algorithm for digest in contents}:
            self._make(self._folder / algorithm)
        with ThreadPoolExecutor(_SYNCED_AT_ONCE, "sync") as pool:
            while waiting:
                some, waiting = waiting[:_OPEN_AT_ONCE], waiting[_OPEN_AT_ONCE:]
                self._write_some(some, pool)

    def _write_some(self, contents: Iterable[tuple[Digest, bytes]], pool: Executor) -> None:
        """Write files whose folders are there, and leave nothing else behind."""
        written: list[tuple[int, str, str]] = []
        renamed = 0
        try:
            for digest, content in contents:
                path = self.path(digest)
                with writing(path):
                    descriptor, temporary = create_beside(path)
                    written.append((descriptor, temporary, path))
                    write_all(descriptor, content)
            descriptors = [descriptor for descriptor, _, _ in written]
            with writing(self._folder):
                _sync_all(descriptors, pool)
                for _, temporary, path in written:
                    self._check()
                    os.rename(temporary, path)
                    renamed += 1
        finally:
            for descriptor, _, _ in written:
                os.close(descriptor)
            for _, temporary, _ in written[renamed:]:
                with suppress(OSError):
                    os.unlink(temporary)

    def sync(self, algorithm: str) -> None:
        """Make what was written under an algorithm outlast a power cut."""
        folder = self._folder / algorithm
        with writing(folder):
            sync_folder(folder)

    def link(self, digest: Digest, source: DigestFiles) -> bool:
        """Share a file with another folder; False when the file systems don't let it."""
        if self.renew(digest, source.size(digest)):
            return True
        origin, path = source.path(digest), self.path(digest)
        self._make(self._folder / digest.algorithm)
        with writing(path):
            if os.path.islink(origin):
                return False
            self._check()
            try:
                os.link(origin, path)
            except OSError:
                return False
        self._touch(path)
        self.sync(digest.algorithm)
        return True

    def renew(self, digest: Digest, size: int) -> bool:
        """Whether a file of this size is there; if so it is as young as a new one.

        Clean-up spares young files, so the caller has time to refer to it.
        """
        try:
            if self.size(digest) != size:
                return False
        except NotFound:
            return False
        self._touch(self.path(digest))
        return True

    def remove(self, digest: Digest) -> None:
        """Remove a file, if it is there."""
        path = self.path(digest)
        with writing(path), suppress(FileNotFoundError):
            self._check()
            os.unlink(path)

    def files(self) -> Iterator[tuple[Digest | None, str]]:
        """All files with their digests; None for one that is unfinished.

        A killed process may have left such a file.
        """
        with reading(self._folder):
            if not self._folder.is_dir():
                return
            folders = [path for path in self._folder.iterdir() if path.is_dir()]
        for folder in folders:
            for name in _names_in(folder):
                path = f"{folder}/{name}"
                if name.startswith(TEMPORARY_PREFIX):
                    yield None, path
                elif digest := _digest(folder.name, name):
                    yield digest, path

    def _open(self, digest: Digest, path: str) -> FileIO:
        """A file, not buffered: it is read in large parts, or as a whole."""
        with reading(path):
            try:
                descriptor = regular_descriptor(path, os.O_RDONLY)
            except (FileNotFoundError, NotADirectoryError):
                raise NotFound(f"{digest} is not in {self}") from None
        return os.fdopen(descriptor, "rb", buffering=0)

    def _make(self, folder: Path) -> None:
        with writing(folder):
            if not folder.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
                sync_folder(self._folder)

    def _touch(self, path: str) -> None:
        with suppress(PermissionError), writing(path):
            os.utime(path)


def _names_in(folder: Path) -> Iterator[str]:
    """The names of a folder's files, of which no more than some are held at once."""
    with reading(folder):
        files = os.scandir(folder)
    with files:
        while True:
            with reading(folder):
                names = [file.name for file in islice(files, _LISTED_AT_ONCE)]
            if not names:
                return
            yield from names


def _digest(algorithm: str, name: str) -> Digest | None:
    try:
        return Digest.parse(f"{algorithm}:{name}")
    except InvalidValue:
        return None


def _sync_all(descriptors: Sequence[int], pool: Executor) -> None:
    """Sync files, each thread a share of them. Raises OSError when no thread uses them more."""
    shares = [descriptors[start::_SYNCED_AT_ONCE] for start in range(_SYNCED_AT_ONCE)]
    syncing = [pool.submit(_sync, share) for share in shares if share]
    wait(syncing)
    for each in syncing:
        each.result()


def _sync(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.fsync(descriptor)
