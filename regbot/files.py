"""Files on disk: read only if regular, replaced in one step, with errors that name the path.

A named pipe or a device in a folder that others can write to would otherwise block the
reader for good, past its timeout and past SIGTERM.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from regbot.errors import StorageError

TEMPORARY_PREFIX = ".regbot-"

StrPath = str | os.PathLike[str]
"""A path; a plain text is quicker to make where there are many."""

Signature = tuple[int, int, int, int]
"""Device, inode, size and time of change: another version of a file differs in one."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFLNK: "a symlink",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: StrPath) -> BinaryIO:
    """Open a file to read it, symlinks followed.

    Raises OSError as ``open`` does, and one that says what the path is instead when it
    is no regular file. ``reading`` makes a StorageError of either.
    """
    return os.fdopen(regular_descriptor(path, os.O_RDONLY), "rb")


def regular_descriptor(path: StrPath, flags: int, permissions: int = 0o666) -> int:
    """Open a regular file with flags of ``os.open``. Raises as ``open_regular`` does.

    What is there is looked at first, since opening a device can set it going, and again
    when it is open, since another may have taken its place.
    """
    return _opened(path, flags, permissions, _require_regular)


def private_descriptor(path: StrPath, flags: int) -> int:
    """Open a regular file of this user that nobody else can write to, and no symlink.

    ``flags`` are those of ``os.open``. Raises OSError, also for any other file.
    """
    return _opened(path, flags | os.O_NOFOLLOW, 0o600, _require_private_file)


def _opened(
    path: StrPath,
    flags: int,
    permissions: int,
    require: Callable[[os.stat_result, StrPath], None],
) -> int:
    """Open a file that is as it has to be, both before and after it is opened."""
    try:
        require(os.stat(path, follow_symlinks=not flags & os.O_NOFOLLOW), path)
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY, permissions)
    try:
        require(os.fstat(descriptor), path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def require_private_folder(path: StrPath) -> os.stat_result:
    """Raise OSError unless this is a folder as ``private_descriptor`` wants a file."""
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        raise OSError(errno.ENOTDIR, "it is not a folder", str(path))
    _require_private(status, path)
    return status


def is_private(status: os.stat_result) -> bool:
    """Whether nobody but this user and root can write to a file."""
    is_own = status.st_uid in (0, os.geteuid())
    return is_own and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _require_private_file(status: os.stat_result, path: StrPath) -> None:
    _require_regular(status, path)
    _require_private(status, path)


def _require_private(status: os.stat_result, path: StrPath) -> None:
    if status.st_uid != os.geteuid():
        raise OSError(errno.EPERM, "it belongs to another user", str(path))
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise OSError(errno.EPERM, "other users can write to it", str(path))


def _require_regular(status: os.stat_result, path: StrPath) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
    code = errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.EINVAL
    raise OSError(code, f"it is {kind}, not a regular file", str(path))


def read_whole(path: Path, limit: int) -> tuple[bytes, Signature]:
    """A file's bytes, and what tells this version of it from others.

    Raises OSError, also when there are more than ``limit`` bytes.
    """
    with open_regular(path) as file:
        signature = signature_of(os.fstat(file.fileno()))
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"it has more than the limit of {limit} bytes", str(path))
    return content, signature


def signature_of(status: os.stat_result) -> Signature:
    """The signature of a file."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


Check = Callable[[], object]
"""Raises where nothing may be changed any more. Called right before something is."""


def no_check() -> None:
    """What may be changed at any time."""


def replace_file(
    path: Path, content: bytes, permissions: int | None = None, check: Check = no_check
) -> Signature:
    """Write a whole file so that it is the old or the new one at any moment.

    It has the permissions of any new file unless some are given.
    """
    return replace_by_pieces(path, [content], permissions, check)


def replace_by_pieces(
    path: Path,
    pieces: Iterable[bytes],
    permissions: int | None = None,
    check: Check = no_check,
) -> Signature:
    """The same for a file that is large."""
    require_replaceable(path)
    with temporary_file(path) as (descriptor, temporary), writing(path):
        if permissions is not None:
            os.fchmod(descriptor, permissions)
        for piece in pieces:
            write_all(descriptor, piece)
        now = time.time_ns()
        os.utime(descriptor, ns=(now, now))  # finer than the kernel's own clock tick
        os.fsync(descriptor)
        check()
        os.rename(temporary, path)
        sync_folder(path.parent)
        return signature_of(os.fstat(descriptor))


def require_replaceable(path: StrPath) -> None:
    """Raise StorageError for what no file may take the place of: a device, pipe or socket.

    Whoever may write to ``/dev`` would lose ``/dev/null`` for good.
    """
    with writing(path), suppress(FileNotFoundError):
        status = os.lstat(path)
        if not (stat.S_ISLNK(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            _require_regular(status, path)


@contextmanager
def folder_of_one_writer(folder: Path) -> Iterator[None]:
    """Keep other processes that do the same out of a folder, which is made if necessary.

    On a file system without locks they are not kept out. Raises StorageError.
    """
    with writing(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_out(path: Path, content: bytes) -> None:
    """Write a file that the user named: as a whole, but a device or pipe as it is.

    A file that is there already keeps its permissions. Raises StorageError.
    """
    with writing(path):
        target = path.resolve()
        status = target.stat() if target.exists() else None
        if status is None:
            replace_file(target, content)
        elif stat.S_ISREG(status.st_mode):
            replace_file(target, content, stat.S_IMODE(status.st_mode))
        else:
            with target.open("wb") as stream:
                stream.write(content)


def obstacle(path: Path) -> str:
    """Why ``write_out`` could not write a file there now; empty where it could."""
    try:
        target = path.resolve()
        if target.is_dir():
            return "this is a folder"
        if not target.parent.is_dir():
            return f"there is no folder {path.parent}"
        if target.exists() and not target.is_file():
            return "" if os.access(target, os.W_OK) else os.strerror(errno.EACCES)
        descriptor, temporary = create_beside(target)
        os.close(descriptor)
        os.unlink(temporary)
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


@contextmanager
def temporary_file(path: StrPath) -> Iterator[tuple[int, str]]:
    """A new file beside ``path``, removed at the end unless it was renamed."""
    with writing(path):
        descriptor, temporary = create_beside(path)
    try:
        yield descriptor, temporary
    finally:
        os.close(descriptor)
        with suppress(OSError):
            os.unlink(temporary)


def create_beside(path: StrPath) -> tuple[int, str]:
    """A new file beside ``path``, open for writing, and where it is. Raises OSError."""
    temporary = os.path.join(os.path.dirname(path), f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}")
    return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), temporary


def write_all(descriptor: int, content: bytes) -> None:
    """Write every byte."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: StrPath) -> None:
    """Make renames and removals in a folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def reading(path: StrPath) -> Iterator[None]:
    """Turn an OSError into a StorageError that names the path."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"can't read {path}: {error.strerror or error}") from error


@contextmanager
def writing(path: StrPath) -> Iterator[None]:
    """Turn an OSError into a StorageError that names the path."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"can't write {path}: {error.strerror or error}") from error
