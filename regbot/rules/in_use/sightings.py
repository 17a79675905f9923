"""When each image was seen in use, in a file of the state folder.

An image counts as long as it was seen within a window, also when its source says no more
of it, or is no longer asked.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from regbot.errors import InvalidValue, StorageError, UseUnknown
from regbot.files import reading, replace_file, writing
from regbot.rules.in_use.mention import Mention
from regbot.units import format_moment

KEPT_FOR = 90 * 86400.0
"""Seconds that a sighting is kept at least; another config may have a longer window."""
_NAME = "in-use.json"
_LARGEST = 256 * 1024 * 1024

WallClock = Callable[[], float]
"""Seconds since 1970."""


class Sightings:
    """The sightings in a state folder. Several processes may add to them."""

    def __init__(self, folder: Path, clock: WallClock) -> None:
        self._folder = folder
        self._clock = clock

    def add(self, mentions: Mapping[str, Sequence[Mention]], window: float) -> None:
        """Note what each source, by its name, names now. Raises UseUnknown."""
        now = self._clock()
        oldest = now - max(window, KEPT_FOR)
        try:
            with self._alone():
                seen = self._read()
                for source, images in mentions.items():
                    seen.setdefault(source, {})
                    seen[source] |= {image.text: [now, image.user] for image in images}
                kept = {
                    source: {text: at for text, at in images.items() if at[0] >= oldest}
                    for source, images in seen.items()
                }
                content = json.dumps({"version": 1, "seen": kept}, indent=0)
                replace_file(self._folder / _NAME, content.encode())
        except (OSError, StorageError) as error:
            raise _unusable(error) from None

    def within(self, window: float) -> Iterator[Mention]:
        """All that was seen in the last ``window`` seconds, by users that say when.

        Raises UseUnknown for a file that can't be read: what it held is in use.
        """
        oldest = self._clock() - window
        try:
            seen = self._read()
        except (OSError, StorageError) as error:
            raise _unusable(error) from None
        for images in seen.values():
            for text, (at, user) in images.items():
                if at >= oldest:
                    mention = Mention.parse(text, user)
                    yield replace(mention, user=f"{user}, last seen {format_moment(round(at))}")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process writes at the same time."""
        with writing(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._folder / f"{_NAME}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _read(self) -> dict[str, dict[str, Any]]:
        path = self._folder / _NAME
        if not path.exists():
            return {}
        with reading(path), path.open("rb") as stream:
            content = stream.read(_LARGEST)
        try:
            seen = json.loads(content)["seen"]
            for images in seen.values():
                for text, (at, user) in images.items():
                    _check(text, at, user)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, InvalidValue):
            text = f"{path} can't be understood (delete it to forget what was seen)"
            raise StorageError(text) from None
        return dict(seen)


def _check(text: object, at: object, user: object) -> None:
    if not (isinstance(text, str) and isinstance(at, int | float) and isinstance(user, str)):
        raise TypeError
    Mention.parse(text, user)


def _unusable(error: Exception) -> UseUnknown:
    return UseUnknown(f"what was seen in use before can't be known, so nothing is deleted: {error}")
