"""The table of a tar's members, and their bytes; nothing is ever put on disk.

POSIX ustar and pax, and GNU's long names. Names and links mean only other members
of the same tar. Memory is bounded whatever the tar claims: the standard library
would read as much for a long name as the header says.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, Literal

from regbot.errors import Malformed, SizeMismatch, StorageError
from regbot.values import dataclass

BLOCK = 512
CHUNK_SIZE = 256 * 1024
MOST_MEMBERS = 100_000
LONGEST_EXTENSION = 64 * 1024
"""Bytes a long name or pax header may have."""

_MOST_EXTENSIONS = 8
_MOST_LINKS = 16
_LONG = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}
_PAX = frozenset({tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE})
_WITHOUT_CONTENT = frozenset(
    {
        tarfile.LNKTYPE,
        tarfile.SYMTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.DIRTYPE,
        tarfile.FIFOTYPE,
    }
)

Kind = Literal["file", "symlink", "hardlink", "other"]


@dataclass(frozen=True, slots=True)
class Member:
    """Where a member's bytes are. ``link`` is the name a link leads to.

    ``twice`` when another member has the same name: the first counts.
    """

    name: str
    kind: Kind
    offset: int
    size: int
    link: str = ""
    twice: bool = False


class Tar:
    """The members of a tar that is not packed. Safe to share between threads.

    ``what`` names it in errors. Raises Malformed for what is no tar, breaks off,
    or has names that lead out of it.
    """

    def __init__(self, file: BinaryIO, what: str) -> None:
        self.what = what
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self.members: dict[str, Member] = {}
        for member in self._scan():
            first = self.members.get(member.name)
            self.members[member.name] = replace(first, twice=True) if first else member

    def find(self, name: str) -> Member | None:
        """The regular file of a name, links within the tar followed; None when there is none.

        Raises Malformed for a device, a sparse file, and a link that leads nowhere.
        """
        member = self.members.get(self._inside(name))
        for _ in range(_MOST_LINKS):
            if member is None or member.kind == "file":
                return member
            if member.kind == "other":
                raise Malformed(f"{member.name!r} in {self.what} is not a regular file")
            target = self.members.get(self._target(member))
            if target is None:
                raise Malformed(f"link {member.name!r} in {self.what} has no target in it")
            member = target
        raise Malformed(f"link {name!r} in {self.what} is circular")

    def chunks(self, member: Member) -> Iterator[bytes]:
        """The bytes of a file."""
        offset, left = member.offset, member.size
        while left:
            chunk = self._at(offset, min(left, CHUNK_SIZE))
            if not chunk:
                raise Malformed(f"{self.what} is truncated within {member.name!r}")
            yield chunk
            offset, left = offset + len(chunk), left - len(chunk)

    def start(self, member: Member, length: int) -> bytes:
        """The first bytes of a file."""
        return self._at(member.offset, min(member.size, length))

    def read(self, name: str, limit: int) -> bytes:
        """A small file as a whole.

        Raises Malformed when it is not there, or there more than once, SizeMismatch
        when it has more than ``limit`` bytes.
        """
        member = self.find(name)
        if member is None:
            raise Malformed(f"{name!r} is missing in {self.what}")
        if member.twice:
            raise Malformed(f"{name!r} occurs more than once in {self.what}")
        if member.size > limit:
            raise SizeMismatch(
                f"{name!r} in {self.what}: {member.size} bytes are more than the limit of {limit}"
            )
        return b"".join(self.chunks(member))

    def stream(self, member: Member) -> BinaryIO:
        """A file's bytes as a file."""
        return io.BufferedReader(_MemberFile(self.chunks(member)), CHUNK_SIZE)

    def _scan(self) -> Iterator[Member]:
        offset = 0
        for count in range(MOST_MEMBERS):
            if count and self._at(offset, BLOCK) == bytes(BLOCK):
                return
            header, records, body = self._headers(offset, first=not count)
            size = self._content_size(header, records, body)
            member = self._member(header, records, body, size)
            if member:
                yield member
            offset = body + _padded(size)
        raise Malformed(f"{self.what} has more members than the limit of {MOST_MEMBERS}")

    def _headers(self, offset: int, *, first: bool) -> tuple[tarfile.TarInfo, dict[str, str], int]:
        """A member's header, what the extensions before it say, and where its bytes begin."""
        records: dict[str, str] = {}
        for count in range(_MOST_EXTENSIONS):
            header = self._header(self._at(offset, BLOCK), first=first and not count)
            body = offset + BLOCK
            extension = self._extension(header, body)
            if extension is None:
                return header, records, body
            records |= extension
            offset = body + _padded(header.size)
        raise Malformed(f"{self.what} has a member with too many headers")

    def _header(self, block: bytes, *, first: bool) -> tarfile.TarInfo:
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.TarError, ValueError):
            if first:
                raise Malformed(f"{self.what} is not a tar file") from None
            why = "is truncated" if len(block) < BLOCK else "is damaged"
            raise Malformed(f"{self.what} {why}") from None

    def _extension(self, header: tarfile.TarInfo, body: int) -> dict[str, str] | None:
        """What a header says of the member after it; None when it is a member itself."""
        is_global = header.type == tarfile.XGLTYPE
        if header.type not in _LONG and header.type not in _PAX and not is_global:
            return None
        if not 0 <= header.size <= LONGEST_EXTENSION:
            raise Malformed(f"{self.what} has a header of {header.size} bytes")
        content = self._at(body, header.size)
        if len(content) < header.size:
            raise Malformed(f"{self.what} is truncated")
        if header.type in _LONG:
            text = content.partition(b"\0")[0].decode("utf-8", "surrogateescape")
            return {_LONG[header.type]: text}
        records = _pax_records(content)
        if records is None or (is_global and records.keys() & {"path", "linkpath", "size"}):
            raise Malformed(f"{self.what} has a pax header that can't be read")
        return {} if is_global else records

    def _content_size(self, header: tarfile.TarInfo, records: dict[str, str], body: int) -> int:
        if header.type in _WITHOUT_CONTENT:
            return 0
        text = records.get("size", str(header.size))
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise Malformed(f"{self.what} has a member of the size {text[:20]!r}")
        if body + int(text) > self._size:
            raise Malformed(f"{self.what} is truncated")
        return int(text)

    def _member(
        self, header: tarfile.TarInfo, records: dict[str, str], body: int, size: int
    ) -> Member | None:
        """The member, or None for a folder."""
        if header.type == tarfile.DIRTYPE:
            return None
        kind: Kind = "other"
        if header.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE):
            sparse = any(key.startswith("GNU.sparse.") for key in records)
            kind = "other" if sparse else "file"
        elif header.type in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            kind = "symlink" if header.type == tarfile.SYMTYPE else "hardlink"
        name = self._inside(records.get("path", header.name))
        return Member(name, kind, body, size, records.get("linkpath", header.linkname))

    def _inside(self, name: str) -> str:
        """A name without empty parts and dots. Raises Malformed when it leads out."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts:
            raise Malformed(f"{self.what} has a name that leads out of it: {name[:200]!r}")
        return "/".join(parts)

    def _target(self, link: Member) -> str:
        """The name a link leads to: from the link's place, or the tar's root if a hard one."""
        parts = link.name.split("/")[:-1] if link.kind == "symlink" else []
        for part in link.link.split("/"):
            if part == ".." and parts:
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        return self._inside("/" * link.link.startswith("/") + "/".join(parts))

    def _at(self, offset: int, length: int) -> bytes:
        try:
            return os.pread(self._file.fileno(), length, offset)
        except OSError as error:
            raise StorageError(f"can't read {self.what}: {error.strerror}") from error


class _MemberFile(io.RawIOBase):
    """Chunks as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._left:
            self._left = memoryview(next(self._chunks, b""))
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _pax_records(content: bytes) -> dict[str, str] | None:
    """The records ``length key=value`` of a pax header (POSIX pax, "Extended Header")."""
    records: dict[str, str] = {}
    start = 0
    while start < len(content):
        space = content.find(b" ", start, start + 10)
        number = content[start:space]
        end = start + int(number) if space > start and number.isdigit() else 0
        key, equals, value = content[space + 1 : end - 1].partition(b"=")
        if not equals or end > len(content) or content[end - 1 : end] != b"\n":
            return None
        records[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        start = end
    return records
