"""Tags, and the names by which manifests are requested.

Distribution spec, "Pulling manifests", defines them.
"""

from __future__ import annotations

import re

from regbot.errors import InvalidValue
from regbot.oci.digest import Digest

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_LONGEST = 128


class Tag(str):
    """A tag. Text from outside becomes one only by ``Tag.parse``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Tag:
        """Read a tag. Raises InvalidValue."""
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
"""The name to request a manifest by."""
