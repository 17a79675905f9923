"""Whole files on disk: replaced in one step, with OSError mapped to StorageError."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from regbot.errors import StorageError

TEMPORARY_PREFIX = ".regbot-"

Signature = tuple[int, int, int, int]
"""Device, inode, size and time of change: another version of a file differs in one."""


def sync_folder(folder: Path) -> None:
    """Make renames and removals in a folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> Signature:
    """Write a whole file so that it is the old or the new one at any moment."""
    with temporary_file(path.parent) as (descriptor, temporary):
        write_all(descriptor, content)
        now = time.time_ns()
        os.utime(descriptor, ns=(now, now))  # finer than the kernel's own clock tick
        os.fsync(descriptor)
        temporary.rename(path)
        sync_folder(path.parent)
        return signature_of(os.fstat(descriptor))


def write_out(path: Path, content: bytes) -> None:
    """Write a file that was asked for by name: as a whole, but a device or pipe as it is."""
    target = path.resolve()
    if target.exists() and not target.is_file():
        with target.open("wb") as stream:
            stream.write(content)
    else:
        replace_file(target, content)


@contextmanager
def temporary_file(folder: Path) -> Iterator[tuple[int, Path]]:
    """A new file, gone at the end unless it was renamed."""
    path = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    with writing(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        yield descriptor, path
    finally:
        os.close(descriptor)
        with suppress(OSError):
            path.unlink(missing_ok=True)


def write_all(descriptor: int, content: bytes) -> None:
    """Write every byte."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def read_whole(path: Path) -> tuple[bytes, Signature]:
    """A file's bytes, and what tells this version of it from others."""
    with path.open("rb") as file:
        signature = signature_of(os.fstat(file.fileno()))
        return file.read(), signature


def signature_of(found: os.stat_result) -> Signature:
    """The signature of a file."""
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an OSError into a StorageError that names the path."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"can't read {path}: {error.strerror or error}") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError into a StorageError that names the path."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"can't write {path}: {error.strerror or error}") from error
