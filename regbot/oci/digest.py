"""Digests: parse, compute, and verify a stream. OCI image spec, "Descriptors" > "Digests"."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from sys import intern

from regbot.errors import DigestMismatch, InvalidValue, SizeMismatch
from regbot.values import dataclass

ALGORITHMS = ("sha256", "sha384", "sha512")

_HEX_LENGTH = {"sha256": 64, "sha384": 96, "sha512": 128}
_BY_BYTES = {length // 2: algorithm for algorithm, length in _HEX_LENGTH.items()}
_HASHES = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest ``algorithm:hex`` with sha256, sha384 or sha512."""

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
        return cls(intern(algorithm), value)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Digest:
        """The digest of bytes."""
        return cls(algorithm, _HASHES[algorithm](content).hexdigest())

    @classmethod
    def unpacked(cls, content: bytes) -> Digest:
        """The digest of which ``packed`` gave these bytes: their number tells the algorithm."""
        return cls(_BY_BYTES[len(content)], content.hex())

    @property
    def packed(self) -> bytes:
        """The same in a third of the memory, for those who keep many."""
        return bytes.fromhex(self.hex)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    def __repr__(self) -> str:
        return f"Digest.parse({str(self)!r})"

    def check(self, content: bytes, what: str) -> bytes:
        """Return the content, or raise DigestMismatch."""
        actual = Digest.of(content, self.algorithm)
        if actual != self:
            raise DigestMismatch(f"{what}: digest is {actual}, expected {self}")
        return content


def verified(
    chunks: Iterable[bytes], *, digest: Digest, size: int | None, what: str
) -> Iterator[bytes]:
    """Pass on chunks, and raise unless they match the digest and size together.

    Raises DigestMismatch, or SizeMismatch as soon as there are more bytes than ``size``.
    A ``size`` of None is unknown.
    """
    hasher = _HASHES[digest.algorithm]()
    seen = 0
    for chunk in chunks:
        seen += len(chunk)
        if size is not None and seen > size:
            raise SizeMismatch(f"{what}: more than the expected {size} bytes")
        hasher.update(chunk)
        yield chunk
    if size is not None and seen != size:
        raise SizeMismatch(f"{what}: {seen} bytes, expected {size}")
    actual = hasher.hexdigest()
    if actual != digest.hex:
        raise DigestMismatch(f"{what}: digest is {digest.algorithm}:{actual}, expected {digest}")
