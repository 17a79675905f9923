"""The files of an OCI layout folder: read, write, lock.

OCI image spec, "Image Layout": ``oci-layout``, ``index.json`` and
``blobs/<algorithm>/<hex>``. Every file is written beside its place, synced and
renamed, so a killed process leaves the old or the new one, never a part. Writers
take turns through a lock on ``.regbot.lock``, which the system frees when its
holder dies. Readers need no lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from regbot.errors import Malformed, NotFound, StorageError
from regbot.files import (
    TEMPORARY_PREFIX,
    Signature,
    read_whole,
    reading,
    regular_descriptor,
    replace_by_pieces,
    replace_file,
    signature_of,
    writing,
)
from regbot.oci.digest import ALGORITHMS
from regbot.oci.reference import Reference
from regbot.stopping import Stop
from regbot.store.digest_files import DigestFiles
from regbot.store.layout_index import Index, check_version
from regbot.workdir import folder_in

INDEX_NAME = "index.json"
LAYOUT_NAME = "oci-layout"
LOCK_NAME = ".regbot.lock"
LARGEST_INDEX = 64 * 1024 * 1024
"""Bytes of ``index.json``, enough for 200,000 tags."""
LOCK_TIMEOUT = 60.0
"""Seconds to wait for another writer."""


def absolute(reference: Reference) -> Reference:
    """A reference that means the same from any working folder."""
    if reference.scheme != "ocidir":
        return reference
    return replace(reference, repository=str(Path(reference.repository).absolute()))


def layout_in(work_dir: Path, folder: Path) -> Path:
    """A layout folder, symlinks followed, all of whose files lie in ``work_dir``.

    Raises InvalidValue where the folder, or one of those for its blobs, is elsewhere.
    """
    resolved = folder_in(work_dir, folder)
    blobs = folder / "blobs"
    for path in (blobs, *(blobs / algorithm for algorithm in ALGORITHMS)):
        folder_in(work_dir, path)
    return resolved


class Layout:
    """One layout folder. Safe to share between threads."""

    def __init__(self, folder: Path, *, stop: Stop, name: str = "") -> None:
        """``name`` is what errors call it, by default the folder."""
        self.folder = folder
        self._name = name or str(folder)
        self._stop = stop
        self._index_path = folder / INDEX_NAME
        self.blobs = DigestFiles(folder / "blobs", str(self), stop.check_attempt)
        self._cached: tuple[Signature, Index] | None = None
        self._reading = threading.RLock()

    def index(self) -> Index:
        """What ``index.json`` says, parsed again only when another has changed the file.

        Raises NotFound when there is no layout, Malformed when the folder holds
        something else or a broken one.
        """
        with self._reading:
            return self._read_index()

    def _read_index(self) -> Index:
        path, cached = self._index_path, self._cached
        try:
            if cached and cached[0] == signature_of(os.stat(path)):
                return cached[1]
        except OSError:
            pass  # the reading below says what is wrong
        with reading(path):
            try:
                raw, signature = read_whole(path, LARGEST_INDEX)
            except (FileNotFoundError, NotADirectoryError):
                problem = self._why_no_index()
                if path.exists():
                    return self._read_index()  # made by another writer in this moment
                raise problem from None
        self._check_version()
        index = Index.parse(raw, f"{INDEX_NAME} of {self}")
        self._cached = (signature, index)
        return index

    def write_index(self, index: Index) -> None:
        """Replace ``index.json``. To be called within ``locked``."""
        path = self._index_path
        with self._reading, writing(path):
            signature = replace_by_pieces(path, index.pieces(), check=self._stop.check_attempt)
            self._cached = (signature, index)

    @contextmanager
    def locked(self, *, create: bool) -> Iterator[None]:
        """Be the only writer. ``create`` makes the layout where there is none.

        Raises NotFound without ``create``, StorageError when another process holds
        the lock for a minute, and what the Stop gives.
        """
        self._stop.check_attempt()
        with writing(self.folder):
            if self.folder.is_file():
                raise self._why_no_index()
            if create:
                self.folder.mkdir(parents=True, exist_ok=True)
        self._require(create=create)
        with writing(self.folder):
            lock = regular_descriptor(
                self.folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            )
        try:
            self._acquire(lock)
            if create:
                self._create()
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)

    def __str__(self) -> str:
        return f"ocidir://{self._name}"

    def _require(self, *, create: bool) -> None:
        try:
            self.index()
        except NotFound:
            if not create:
                raise

    def _create(self) -> None:
        with writing(self.folder):
            marker, index = self.folder / LAYOUT_NAME, self.folder / INDEX_NAME
            if not index.exists():
                if not marker.exists():
                    version = json.dumps({"imageLayoutVersion": "1.0.0"}).encode()
                    replace_file(marker, version, check=self._stop.check_attempt)
                replace_by_pieces(index, Index.new().pieces(), check=self._stop.check_attempt)

    def _why_no_index(self) -> NotFound | Malformed:
        """Why there is no ``index.json``: nothing here yet, or something else."""
        if not self.folder.exists():
            return NotFound(f"{self}: there is no such folder")
        if not self.folder.is_dir():
            return Malformed(f"{self} is a file, not an OCI layout folder")
        names = {path.name for path in self.folder.iterdir()}
        others = {name for name in names if not name.startswith(TEMPORARY_PREFIX)}
        if not others - {LOCK_NAME, LAYOUT_NAME}:
            return NotFound(f"{self}: the folder is empty")
        what = "its index.json is missing" if LAYOUT_NAME in names else "no oci-layout file"
        return Malformed(f"{self} is not an OCI layout folder: {what}")

    def _check_version(self) -> None:
        path = self.folder / LAYOUT_NAME
        with reading(path):
            try:
                raw, _ = read_whole(path, LARGEST_INDEX)
            except FileNotFoundError:
                raise Malformed(f"{self} is not an OCI layout folder: no oci-layout file") from None
        check_version(raw, str(self))

    def _acquire(self, lock: int) -> None:
        patience = self._stop.within(LOCK_TIMEOUT)
        pause = 0.001
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if patience.remaining == 0.0:
                    raise StorageError(f"{self} is locked by another process") from None
                self._stop.wait(pause)
                pause = min(pause * 2, 0.05)
            except OSError as error:
                raise StorageError(f"can't lock {self}: {error.strerror}") from error
            else:
                return
