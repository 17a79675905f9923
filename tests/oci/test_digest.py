"""Digests: parse, print, and streams checked as they pass."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regbot.errors import DigestMismatch, InvalidValue, SizeMismatch
from regbot.oci.digest import Digest, verified


@given(st.binary(), st.sampled_from(["sha256", "sha384", "sha512"]))
def test_parse_and_print_agree(content: bytes, algorithm: str) -> None:
    digest = Digest.of(content, algorithm)
    assert str(digest) == f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
    assert Digest.parse(str(digest)) == digest
    assert digest.check(content, "x") == content


@given(st.text())
def test_rubbish_is_refused(text: str) -> None:
    for candidate in (text, f"sha256:{text}"):
        with pytest.raises(InvalidValue):
            Digest.parse(candidate)


@pytest.mark.parametrize(
    "text",
    [
        "sha256:" + "A" * 64,
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 64 + "\n",
        "sha512:" + "a" * 64,
        "SHA256:" + "a" * 64,
        "sha256:../../../../etc/passwd" + "a" * 42,
        "sha256:" + "٣" * 64,
        "sha256" + "a" * 64,
    ],
)
def test_near_misses_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        Digest.parse(text)


@given(st.lists(st.binary(max_size=20)))
def test_right_content_passes_unchanged(chunks: list[bytes]) -> None:
    content = b"".join(chunks)
    for size in (None, len(content)):
        found = verified(chunks, digest=Digest.of(content), size=size, what="x")
        assert b"".join(found) == content


@given(st.binary(min_size=1), st.binary())
def test_other_content_never_ends_well(right: bytes, other: bytes) -> None:
    if other == right:
        return
    for size in (None, len(right)):
        with pytest.raises((DigestMismatch, SizeMismatch)):
            list(verified([other], digest=Digest.of(right), size=size, what="x"))


def test_surplus_is_not_passed_on() -> None:
    stream = verified([b"good", b"evil"], digest=Digest.of(b"good"), size=4, what="layer")
    assert next(stream) == b"good"
    with pytest.raises(SizeMismatch, match="layer: more than the expected 4 bytes"):
        next(stream)


@given(st.binary(), st.sampled_from(["sha256", "sha384", "sha512"]))
def test_a_packed_digest_is_unpacked_to_the_same(content: bytes, algorithm: str) -> None:
    digest = Digest.of(content, algorithm)
    assert Digest.unpacked(digest.packed) == digest
