"""Digests of content: parse, compute, and check a stream as it passes.

OCI image spec, "Descriptors" > "Digests".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from regbot.errors import DigestMismatch, InvalidValue, SizeMismatch

ALGORITHMS = ("sha256", "sha384", "sha512")

_HEX_LENGTH = {"sha256": 64, "sha384": 96, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Digest:
    """``algorithm:hex`` of content; sha256, sha384 and sha512 are known."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read ``sha256:<64 lower-case hex digits>``. Raises InvalidValue."""
        algorithm, colon, value = text.partition(":")
        length = _HEX_LENGTH.get(algorithm)
        if not colon or length is None:
            known = ", ".join(_HEX_LENGTH)
            raise InvalidValue(f"digest {text!r} does not start with one of {known} and a colon")
        if len(value) != length or not _HEX.fullmatch(value):
            raise InvalidValue(
                f"digest {text!r} needs {length} lower-case hex digits after {algorithm}:"
            )
        return cls(algorithm, value)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Digest:
        """The digest of bytes at hand."""
        return cls(algorithm, hashlib.new(algorithm, content).hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    def check(self, content: bytes, what: str) -> bytes:
        """Give the content back, or raise DigestMismatch."""
        found = Digest.of(content, self.algorithm)
        if found != self:
            raise DigestMismatch(f"{what}: digest is {found}, expected {self}")
        return content


def verified(
    chunks: Iterable[bytes], *, digest: Digest, size: int | None, what: str
) -> Iterator[bytes]:
    """Pass chunks on, then raise unless all of them together fit digest and size.

    Raises DigestMismatch or SizeMismatch; too many bytes are refused before the
    surplus is passed on. ``size`` None means unknown.
    """
    hasher = hashlib.new(digest.algorithm)
    seen = 0
    for chunk in chunks:
        seen += len(chunk)
        if size is not None and seen > size:
            raise SizeMismatch(f"{what}: more than the expected {size} bytes")
        hasher.update(chunk)
        yield chunk
    if size is not None and seen != size:
        raise SizeMismatch(f"{what}: {seen} bytes, expected {size}")
    found = hasher.hexdigest()
    if found != digest.hex:
        raise DigestMismatch(f"{what}: digest is {digest.algorithm}:{found}, expected {digest}")
