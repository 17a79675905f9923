"""Tags, and what a manifest is asked for by.

Distribution spec, "Pulling manifests", gives the grammar.
"""

from __future__ import annotations

import re

from regbot.errors import InvalidValue
from regbot.oci.digest import Digest

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_LONGEST = 128


class Tag(str):
    """A tag. Made by ``Tag.parse`` wherever the text comes from outside."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Tag:
        """A text as a tag. Raises InvalidValue."""
        if _TAG.fullmatch(text):
            return cls(text)
        if not text:
            raise InvalidValue("tag is empty")
        if len(text) > _LONGEST:
            raise InvalidValue(f"tag {text!r} is longer than {_LONGEST} characters")
        raise InvalidValue(
            f"tag {text!r} is not letters, digits, _ . - (not beginning with . or -)"
        )


Name = Tag | Digest
"""What a manifest is asked for by."""
