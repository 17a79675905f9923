"""gzip and zstd as streams: told by their first bytes, unpacked with bounded memory."""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

import zstandard

from regbot.errors import Malformed
from regbot.files import write_all, writing
from regbot.stopping import Stop
from regbot.units import format_size

Codec = Literal["", "gzip", "zstd"]
"""How bytes are packed; empty is not at all."""


class Source(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""
        ...


class Target(Protocol):
    """What bytes are written to."""

    def write(self, content: bytes, /) -> int:
        """Take all of the bytes."""
        ...


MAGIC_LENGTH = 6
CHUNK_SIZE = 256 * 1024
ZSTD_WINDOW = 128 * 1024 * 1024
"""Bytes of memory a zstd frame may ask for; what ``zstd --long`` writes by default."""

FREE_SIZE = 1024**3
MOST_RATIO = 100
"""An archive may unpack to the larger of FREE_SIZE and this many times its own size."""

_MAGIC: dict[bytes, Codec] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_NOT_READ = {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}
_SUFFIXES: dict[str, Codec] = {".gz": "gzip", ".tgz": "gzip", ".zst": "zstd", ".tzst": "zstd"}


def codec_of(start: bytes, what: str) -> Codec:
    """How content that begins with these bytes is packed. Raises Malformed for xz and bzip2."""
    for magic, name in _NOT_READ.items():
        if start.startswith(magic):
            raise Malformed(f"{what} is packed with {name}; regbot reads gzip and zstd")
    return next((codec for magic, codec in _MAGIC.items() if start.startswith(magic)), "")


def codec_for(path: Path) -> Codec:
    """How a file of this name is to be packed."""
    return _SUFFIXES.get(path.suffix.lower(), "")


def unpacked(packed: BinaryIO, codec: Codec, what: str) -> Iterator[bytes]:
    """The content in chunks of bounded size. Raises Malformed when it can't be unpacked."""
    try:
        with _unpacking(packed, codec) as stream:
            while chunk := stream.read(CHUNK_SIZE):
                yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise Malformed(f"{what} can't be unpacked as {codec}: {error}") from error


@contextmanager
def unpacked_file(
    packed: BinaryIO, codec: Codec, *, size: int, scratch: Path | None, stop: Stop, what: str
) -> Iterator[BinaryIO]:
    """The content as a file without a name, which the system removes at the end.

    ``size`` are the packed bytes, ``scratch`` the folder for the file (None: the
    system's, ``TMPDIR``). Raises Malformed for what unpacks to suspiciously much,
    StorageError when there is no room for it.
    """
    limit = max(FREE_SIZE, size * MOST_RATIO)
    folder = scratch or Path(tempfile.gettempdir())
    with writing(folder):
        file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
    with file:
        seen = 0
        for chunk in unpacked(packed, codec, what):
            stop.check()
            seen += len(chunk)
            if seen > limit:
                raise Malformed(
                    f"{what} has {format_size(size)} but unpacks to more than {format_size(limit)}"
                )
            with writing(folder):
                write_all(file.fileno(), chunk)
        yield file


def packing(target: BinaryIO, codec: Codec) -> AbstractContextManager[Target]:
    """A file that packs what is written to it into another one, the same way each time."""
    if codec == "gzip":
        return gzip.GzipFile("", "wb", compresslevel=6, fileobj=target, mtime=0)
    if codec == "zstd":
        compressor = zstandard.ZstdCompressor(write_checksum=True)
        return compressor.stream_writer(target, closefd=False)
    return nullcontext(target)


def _unpacking(packed: BinaryIO, codec: Codec) -> AbstractContextManager[Source]:
    if codec == "gzip":
        return gzip.GzipFile(fileobj=packed, mode="rb")
    if codec == "zstd":
        decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
        return decompressor.stream_reader(packed, read_across_frames=True, closefd=False)
    return nullcontext(packed)
