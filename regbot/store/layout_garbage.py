"""Clean-up of an OCI layout folder: remove blobs that nothing refers to.

Every entry of ``index.json`` is kept, with or without tag, and everything a kept
manifest names but its ``subject``. What can't be read may refer to anything, so
then nothing is removed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence

from regbot.errors import InvalidValue, Malformed, NotFound, SizeMismatch
from regbot.files import TEMPORARY_PREFIX, reading, sync_folder, writing
from regbot.oci.digest import Digest
from regbot.oci.manifest import MEDIA_TYPES, SCHEMA1, parse_object
from regbot.stopping import Stop
from regbot.store.layout import Layout
from regbot.store.layout_index import Index
from regbot.values import dataclass

WallClock = Callable[[], float]
"""Seconds since 1970."""

_NOT_CONTENT = frozenset({"subject", "annotations"})


@dataclass(frozen=True, slots=True)
class Collected:
    """What a clean-up removed: how many blobs, and their bytes."""

    blobs: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class _Named:
    """Content that a manifest names."""

    digest: Digest
    media_type: str
    may_be_manifest: bool


def collect_garbage(
    layout: Layout,
    *,
    before: float,
    limit: int,
    stop: Stop,
    needed: Callable[[], Collection[Digest]] = frozenset,
) -> Collected:
    """Remove unreferenced blobs and left-over temporary files not touched since ``before``.

    ``before`` is in seconds since 1970, ``limit`` the bytes a manifest may have.
    Raises ContentError or StorageError, with nothing removed, when a kept manifest
    can't be read.
    """
    with layout.locked(create=False):
        try:
            kept = _reachable(layout, limit=limit, stop=stop)
        except InvalidValue as error:
            raise Malformed(f"no clean-up of {layout}: {error}") from None
        garbage = []
        for digest, path in _ours(layout):
            if digest in kept:
                continue
            stop.check()
            with writing(path):
                status = os.lstat(path)
            if status.st_mtime < before:
                garbage.append((digest, path, status.st_size))
        return _remove(layout, garbage, needed, stop) if garbage else Collected()


def _remove(
    layout: Layout,
    garbage: Sequence[tuple[Digest | None, str, int]],
    needed: Callable[[], Collection[Digest]],
    stop: Stop,
) -> Collected:
    """Remove files, with their digests and bytes, but those that are needed besides."""
    spared = needed()
    with writing(layout.folder):
        sync_folder(layout.folder)
    blobs = size = 0
    for digest, path, length in garbage:
        stop.check()
        if digest in spared:
            continue
        with writing(path):
            os.unlink(path)
        if digest:
            blobs, size = blobs + 1, size + length
    return Collected(blobs, size)


def _reachable(layout: Layout, *, limit: int, stop: Stop) -> set[Digest]:
    """The digests of all content that ``index.json`` leads to."""
    index = layout.index()
    kept: set[Digest] = set()
    followed: set[Digest] = set()
    for waiting in _roots(index):
        while waiting:
            stop.check()
            named = waiting.pop()
            kept.add(named.digest)
            if not named.may_be_manifest or named.digest in followed:
                continue
            followed.add(named.digest)
            try:
                waiting += _follow(layout, named, limit=limit)
            except NotFound:
                if index.of_digest(named.digest):
                    raise Malformed(
                        f"no clean-up of {layout}: {named.digest} is in index.json, but its file"
                        " is missing, so what it needs is not known"
                    ) from None
    return kept


def _roots(index: Index) -> Iterator[list[_Named]]:
    """What the index names, and then each of its entries."""
    yield list(_names(index.rest, listed=False))
    for entry in index.entries:
        yield list(_names(entry.data, listed=True))


def _follow(layout: Layout, named: _Named, *, limit: int) -> list[_Named]:
    """What a manifest names. A list may hold other things too: they name nothing."""
    surely_manifest = named.media_type in MEDIA_TYPES
    try:
        raw = layout.blobs.read(named.digest, limit)
        if named.media_type not in SCHEMA1:
            named.digest.check(raw, f"{named.digest} of {layout}")
        return list(_names(parse_object(raw, f"{named.digest} of {layout}"), listed=False))
    except (Malformed, SizeMismatch):
        if surely_manifest:
            raise
        return []


def _names(data: object, *, listed: bool) -> Iterator[_Named]:
    """Every descriptor anywhere in a JSON value, known fields or not.

    Raises InvalidValue for a manifest whose digest is none.
    """
    if isinstance(data, list):
        for item in data:
            yield from _names(item, listed=listed)
    elif isinstance(data, dict):
        digest = data.get("digest", data.get("blobSum"))
        if isinstance(digest, str):
            media_type = str(data.get("mediaType", ""))
            may_be_manifest = listed or media_type in MEDIA_TYPES
            try:
                yield _Named(Digest.parse(digest), media_type, may_be_manifest)
            except InvalidValue:
                if may_be_manifest:
                    raise
        for key, value in data.items():
            if key not in _NOT_CONTENT:
                yield from _names(value, listed=key == "manifests")


def _ours(layout: Layout) -> Iterator[tuple[Digest | None, str]]:
    """Each blob's digest and file, and each temporary file without a digest."""
    with reading(layout.folder):
        files = [
            entry.path
            for entry in os.scandir(layout.folder)
            if entry.name.startswith(TEMPORARY_PREFIX)
        ]
    yield from ((None, path) for path in files)
    yield from layout.blobs.files()
