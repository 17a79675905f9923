"""Other names for what a recording must not tell, the same one each time.

Digits, punctuation and the words that many registries share stay, so that a script's
patterns and versions still have something to fit.
"""

from __future__ import annotations

import hashlib
import re

from regbot.oci.digest import Digest

REPOSITORY = "registry.example.org/team/app"

_COMMON_WORDS = """
a alpha alpine amd arch arm att b beta bookworm branch build bullseye buster canary ci commit
cut daily debian debug dev develop edge feature final fix hotfix jammy latest lts main master
merge mr nightly noble next noarch old p php pr pre preview prod production python qa r rc ref
release rev rolling rootless s sbom sha sig slim snapshot stable stage staging test tested
testing tmp trunk ubuntu unstable v version weekly windows x
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_DIGEST = re.compile(r"(sha256|sha384|sha512)-([0-9a-f]{64,128})")
_HASH = re.compile(r"(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{7,}")
_WORD = re.compile(r"[A-Za-z]+")


class Anonymous:
    """Names in place of others. ``salt`` is random, so that no digest can be guessed."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self._words: dict[str, str] = {}

    def digest(self, digest: Digest) -> Digest:
        """A digest in place of another one."""
        mixed = hashlib.new(digest.algorithm, self._salt + str(digest).encode())
        return Digest(digest.algorithm, mixed.hexdigest())

    def tag(self, tag: str) -> str:
        """A tag in place of another one."""
        named = _DIGEST.match(tag)
        if named and len(named[2]) == hashlib.new(named[1]).digest_size * 2:
            digest = self.digest(Digest(named[1], named[2]))
            return f"{digest.algorithm}-{digest.hex}{self._rest(tag[named.end() :])}"
        return self._rest(tag)

    def _rest(self, text: str) -> str:
        parts, end = [], 0
        for commit in _HASH.finditer(text):
            parts += [_WORD.sub(self._word, text[end : commit.start()]), self._hash(commit[0])]
            end = commit.end()
        return "".join([*parts, _WORD.sub(self._word, text[end:])])

    def _hash(self, text: str) -> str:
        mixed = hashlib.sha512(self._salt + text.encode()).hexdigest()
        return mixed[: len(text)].ljust(len(text), "0")

    def _word(self, match: re.Match[str]) -> str:
        word = match[0]
        if word.lower() in _COMMON:
            return word
        letters = self._words.setdefault(word, _letters(len(self._words)))
        return f"word{letters}"


def _letters(number: int) -> str:
    """A, B, ... Z, AA, AB, ...: a name without digits, which could pass for a version."""
    text = ""
    while number >= 0:
        text = chr(ord("A") + number % 26) + text
        number = number // 26 - 1
    return text
