"""The folder in which manifests and configs are kept between runs, by digest.

It is ``regbot-cache`` in the folder that the config names, which may hold anything else.
``<registry>/<repository>/<algorithm>/<hex>`` below it is the content itself, so any
number of processes may share the folder, and one that is killed leaves nothing that
could be mistaken for content: it is checked against its name when it is read. Deleting
the folder, or a part of it, is safe at any time.

Files and folders are used only if they belong to this user and nobody else can write to
them. Nothing is removed that is not named as above, or as a half-written file is.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from regbot.errors import InvalidValue
from regbot.events import Emit, Message, ignore
from regbot.files import (
    TEMPORARY_PREFIX,
    private_descriptor,
    require_private_folder,
    write_all,
)
from regbot.oci.digest import ALGORITHMS, Digest
from regbot.oci.reference import Reference

_NAME = "regbot-cache"
_BLOCK = 4096
"""Bytes that file systems give out at once: what a small file takes."""
_TRIMMED_AFTER = 8
_OURS_FOR = 1.0
"""Seconds for which the folders above one that was ours are not looked at again, as long as
it is still the same folder."""
_MOST_OURS = 1_000
_NEVER = (float("-inf"), 0, 0)
_COUNTED_AT_ONCE = 256
_SECOND = 1_000_000_000
"""Nanoseconds."""
_NOTED_FOR = 600.0
"""Seconds after which it is noted again that a file is used."""
_ABANDONED_AFTER = 3600.0
"""Seconds after which a half-written file belongs to nobody any more."""
_WRITTEN = ".written"
_TEMPORARY = re.compile(re.escape(TEMPORARY_PREFIX) + "[0-9a-f]{16}")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def default_cache() -> Path:
    """The platform's folder for such content, such as ``~/.cache/regbot``."""
    import platformdirs

    return platformdirs.user_cache_path("regbot", appauthor=False)


def open_cache(folder: Path | None, size: int, emit: Emit) -> CacheFolder | None:
    """The cache below a folder, None for the platform's; None where ``size`` is 0."""
    return CacheFolder(folder, size, emit) if size else None


class CacheFolder:
    """A folder of content, of about ``size`` bytes at most. Threads may share it.

    It is made in ``parent``; None is the platform's, looked for when something is read.

    What was used least recently goes first. The file ``.written`` has a byte for each
    block written since the last trimming, by any process, so the folder is looked
    through only after an eighth of ``size`` was written. The blocks are counted together,
    but never as many as could make a difference. Where the folder can't be
    written, or should not be used, ``emit`` is told once, and nothing more is written.
    """

    def __init__(self, parent: Path | None, size: int, emit: Emit = ignore) -> None:
        self._given = parent
        self._size = size
        self._emit = emit
        self._lock = threading.Lock()
        self._writable = True
        self._written: int | None = None
        self._uncounted = 0
        self._counted_at = min(_COUNTED_AT_ONCE, size // (_TRIMMED_AFTER**2 * _BLOCK))
        self._ours: dict[str, tuple[float, int, int]] = {}

    @cached_property
    def _folder(self) -> Path:
        return (self._given or default_cache()) / _NAME

    def shelf(self, repository: Reference) -> Shelf:
        """Where the content of a repository is kept."""
        folder = self._folder / quote(repository.registry, safe="") / repository.repository
        return Shelf(self, str(folder))

    def may_use(self, folder: str) -> bool:
        """Whether nobody else can write to a folder of the cache, nor to those above it."""
        try:
            self._check(folder)
        except OSError as error:
            self._give_up("the cache is not used", error)
            return False
        return True

    def write(self, folder: str, name: str, content: bytes) -> None:
        """Write a file as a whole, where files can be written."""
        if not self._writable:
            return
        try:
            self._check(folder)
            self._write(folder, name, content)
            self._count(len(content))
        except OSError as error:
            self._give_up("the cache can't be written, so nothing is added to it", error)

    def close(self) -> None:
        """Let go of the folder."""
        with self._lock:
            if self._written is not None:
                with suppress(OSError):
                    os.write(self._written, b"." * self._uncounted)
                os.close(self._written)
                self._written, self._uncounted = None, 0

    def _check(self, folder: str) -> None:
        """Raise OSError if a folder, or one between it and the cache's own, is not ours."""
        try:
            status = require_private_folder(folder)
        except FileNotFoundError:
            status = None
        now = time.monotonic()
        began, device, inode = self._ours.get(folder, _NEVER)
        if status and now - began < _OURS_FOR and (status.st_dev, status.st_ino) == (device, inode):
            return
        for place in Path(folder).parents:
            if place == self._folder.parent:
                break
            with suppress(FileNotFoundError):
                require_private_folder(place)
        if status:
            if len(self._ours) >= _MOST_OURS:
                self._ours.clear()
            self._ours[folder] = (now, status.st_dev, status.st_ino)

    def _give_up(self, text: str, error: OSError) -> None:
        """Write nothing more, and say why if that is new."""
        with self._lock:
            is_new, self._writable = self._writable, False
        if is_new:
            where = error.filename or self._folder
            self._emit(Message("info", f"{text}: {where}: {error.strerror or error}"))

    def _write(self, folder: str, name: str, content: bytes) -> None:
        temporary = f"{folder}/{TEMPORARY_PREFIX}{os.urandom(8).hex()}"
        try:
            descriptor = os.open(temporary, _NEW, 0o600)
        except FileNotFoundError:  # no folder yet, or its last entry has just gone
            self._make(Path(folder))
            self._ours.clear()  # another may have been quicker to make it
            self._check(folder)
            descriptor = os.open(temporary, _NEW, 0o600)
        try:
            try:
                write_all(descriptor, content)
            finally:
                os.close(descriptor)
            os.rename(temporary, f"{folder}/{name}")
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _make(self, folder: Path) -> None:
        """Make a folder, and those that lead to it, for nobody else to look into."""
        if folder == self._folder.parent:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return
        if not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)

    def _count(self, length: int) -> None:
        """Note what was written, and make room when it is time to."""
        with self._lock:
            if self._written is None:
                flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
                self._written = private_descriptor(self._folder / _WRITTEN, flags)
            self._uncounted += length // _BLOCK + 1
            if self._uncounted <= self._counted_at:
                return
            os.write(self._written, b"." * self._uncounted)
            self._uncounted = 0
            blocks = os.fstat(self._written).st_size
            if blocks * _BLOCK * _TRIMMED_AFTER <= self._size:
                return
            with suppress(OSError):  # another process is at it
                fcntl.flock(self._written, fcntl.LOCK_EX | fcntl.LOCK_NB)
                try:
                    self._trim()
                    meanwhile = os.fstat(self._written).st_size - blocks
                    os.ftruncate(self._written, max(0, meanwhile))
                finally:
                    fcntl.flock(self._written, fcntl.LOCK_UN)

    def _trim(self) -> None:
        """Remove what was used least recently, until there is room for the next eighth.

        The folder may have a quarter of a million files, so they are not held in memory:
        they are counted by the second of their last use, and then looked through again.
        """
        taken: Counter[int] = Counter()
        for used, size, _ in self._files():
            taken[used // _SECOND] += size
        excess = taken.total() - self._size + self._size // _TRIMMED_AFTER
        if excess <= 0:
            return
        last = 0
        going = 0
        for last in sorted(taken):
            going += taken[last]
            if going >= excess:
                break
        of_last: list[tuple[int, int, str]] = []
        for used, size, path in self._files():
            if used // _SECOND < last:
                excess -= _removed(path, size)
            elif used // _SECOND == last:
                of_last.append((used, size, path))
        for _, size, path in sorted(of_last):
            if excess <= 0:
                break
            excess -= _removed(path, size)

    def _files(self) -> Iterator[tuple[int, int, str]]:
        """When each file was used last (nanoseconds), the bytes it takes, and its path.

        Half-written files that were abandoned are removed on the way.
        """
        abandoned = time.time_ns() - int(_ABANDONED_AFTER * 1e9)
        for folder in self._shelved():
            with suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    if not stat.S_ISREG(status.st_mode):
                        continue
                    if _is_digest(folder.name, entry.name):
                        blocks = -(-status.st_size // _BLOCK)
                        yield status.st_mtime_ns, blocks * _BLOCK, entry.path
                    elif _TEMPORARY.fullmatch(entry.name) and status.st_mtime_ns < abandoned:
                        (folder / entry.name).unlink()

    def _shelved(self) -> Iterator[Path]:
        """Each ``<registry>/<repository>/<algorithm>`` that is ours to trim."""
        waiting = [(self._folder, 0)]
        while waiting:
            folder, depth = waiting.pop()
            with suppress(OSError):
                require_private_folder(folder)
                if depth > 2 and folder.name in ALGORITHMS:
                    yield folder
                with os.scandir(folder) as entries:
                    names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
                waiting.extend((folder / name, depth + 1) for name in names)


def _removed(path: str, size: int) -> int:
    """Remove a file, and its folder if it was the last there. Gives the bytes that are free now."""
    file = Path(path)
    try:
        file.unlink()
    except OSError:
        return 0
    with suppress(OSError):
        file.parent.rmdir()
    return size


def _is_digest(algorithm: str, value: str) -> bool:
    try:
        Digest.parse(f"{algorithm}:{value}")
    except InvalidValue:
        return False
    return True


class Shelf:
    """The content of one repository in a cache's folder. Threads may share it."""

    def __init__(self, cache: CacheFolder, folder: str) -> None:
        self._cache = cache
        self._folder = folder
        self._folders = {algorithm: f"{folder}/{algorithm}" for algorithm in ALGORITHMS}

    @property
    def is_filled(self) -> bool:
        """Whether there was ever anything kept."""
        return self._cache.may_use(self._folder) and os.path.isdir(self._folder)

    def read(self, digest: Digest, size: int) -> bytes | None:
        """The content of a digest, if it is known and has ``size`` bytes.

        What is something else by now is removed.
        """
        if not self._cache.may_use(self._folders[digest.algorithm]):
            return None
        path = self.path(digest)
        try:
            content = _used(path, size)
        except FileNotFoundError:
            return None
        except OSError:
            content = b""
        if len(content) == size and Digest.of(content, digest.algorithm) == digest:
            return content
        with suppress(OSError):
            os.unlink(path)
        return None

    def keep(self, digest: Digest, content: bytes) -> None:
        """Keep the content of a digest, which the caller has checked."""
        self._cache.write(self._folders[digest.algorithm], digest.hex, content)

    def has(self, digest: Digest) -> bool:
        """Whether the content of a digest seems to be known."""
        folder = self._folders[digest.algorithm]
        return self._cache.may_use(folder) and os.path.isfile(self.path(digest))

    def path(self, digest: Digest) -> str:
        """Where the content of a digest is, or would be."""
        return f"{self._folders[digest.algorithm]}/{digest.hex}"


def _used(path: str, size: int) -> bytes:
    """The content of a file, with one byte more than ``size`` at most; that it is used is noted."""
    descriptor = private_descriptor(path, os.O_RDONLY)
    try:
        content = os.read(descriptor, size + 1)
        if time.time() - os.fstat(descriptor).st_mtime > _NOTED_FOR:
            with suppress(OSError):
                os.utime(descriptor)
        return content
    finally:
        os.close(descriptor)
