"""The ids of runs and plans: new ones, and those there are by their beginning."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime

from regbot.errors import InvalidValue, NotFound

_SHOWN = 4


def new_id(seconds: float) -> str:
    """The time in UTC, given in seconds since 1970, and a few random digits."""
    at = datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{at}-{os.urandom(2).hex()}"


def named(prefix: str, ids: Sequence[str], noun: str, command: str) -> str:
    """The id that this text is, or the only one that begins with it.

    ``noun`` is what they are, and ``command`` lists them. Raises NotFound, and InvalidValue
    if there are several.
    """
    fitting = [each for each in ids if prefix and each.startswith(prefix)]
    if not fitting:
        raise NotFound(f"there is no {noun} {prefix!r} in the history; {command} lists all")
    if len(fitting) > 1 and prefix not in fitting:
        shown = ", ".join(fitting[:_SHOWN])
        more = ", ..." if len(fitting) > _SHOWN else ""
        raise InvalidValue(f"several {noun}s begin with {prefix!r}: {shown}{more}")
    return prefix if prefix in fitting else fitting[0]
