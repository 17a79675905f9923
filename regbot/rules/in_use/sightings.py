"""When each image was seen in use, in a file of the state folder or wherever else state is kept.

An image counts as long as it was seen within a window, also when its source says no more
of it, or is no longer asked.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from regbot.errors import InvalidValue, StorageError, UseUnknown
from regbot.files import reading, replace_file, writing
from regbot.rules.in_use.mention import Mention
from regbot.units import format_moment
from regbot.values import dataclass

KEPT_FOR = 90 * 86400.0
"""Seconds that a sighting is kept at least; another config may have a longer window."""
_NAME = "in-use.json"
_LARGEST = 256 * 1024 * 1024

WallClock = Callable[[], float]
"""Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """An image as a source named it, at a time in seconds since 1970, and its user."""

    source: str
    image: str
    at: float
    user: str

    @classmethod
    def checked(cls, source: object, image: object, at: object, user: object) -> Sighting:
        """One that was read from where state is kept. Raises InvalidValue for what is none."""
        match source, image, at, user:
            case str(), str(), int() | float(), str():
                Mention.parse(image, user)
                return cls(source, image, at, user)
        raise InvalidValue(f"{image!r} is no image that was seen")

    @property
    def mention(self) -> Mention:
        """The image, by a user that says when."""
        seen_at = format_moment(round(self.at))
        return Mention.parse(self.image, f"{self.user}, last seen {seen_at}")


class Sightings(Protocol):
    """The sightings of a state. Several processes may add to them.

    Every method raises UseUnknown where they can't be read or noted: what was seen is in use.
    """

    def add(self, mentions: Mapping[str, Sequence[Mention]], window: float) -> None:
        """Note what each source, by its name, names now."""

    def within(self, window: float) -> Iterator[Mention]:
        """All that was seen in the last ``window`` seconds, by users that say when."""

    def all(self) -> list[Sighting]:
        """All that is noted."""

    def take_over(self, sightings: Iterable[Sighting]) -> None:
        """Note what was seen at the time that each says."""


class SightingsFile:
    """The sightings in a state folder."""

    def __init__(self, folder: Path, clock: WallClock) -> None:
        self._folder = folder
        self._clock = clock

    def add(self, mentions: Mapping[str, Sequence[Mention]], window: float) -> None:
        """Note what each source, by its name, names now. Raises UseUnknown."""
        now = self._clock()
        seen = [
            Sighting(source, image.text, now, image.user)
            for source, images in mentions.items()
            for image in images
        ]
        self._add(seen, oldest=now - max(window, KEPT_FOR))

    def within(self, window: float) -> Iterator[Mention]:
        """All that was seen in the last ``window`` seconds, by users that say when.

        Raises UseUnknown for a file that can't be read: what it held is in use.
        """
        oldest = self._clock() - window
        for sighting in self.all():
            if sighting.at >= oldest:
                yield sighting.mention

    def all(self) -> list[Sighting]:
        """All that is noted. Raises UseUnknown."""
        with _mapped():
            return self._read()

    def take_over(self, sightings: Iterable[Sighting]) -> None:
        """Note what was seen at the time that each says. Raises UseUnknown."""
        self._add(sightings, oldest=-math.inf)

    def _add(self, sightings: Iterable[Sighting], oldest: float) -> None:
        """Note what was seen, and forget what is older."""
        with _mapped(), self._alone():
            newest = {(seen.source, seen.image): seen for seen in (*self._read(), *sightings)}
            kept: dict[str, dict[str, tuple[float, str]]] = {}
            for seen in newest.values():
                if seen.at >= oldest:
                    kept.setdefault(seen.source, {})[seen.image] = (seen.at, seen.user)
            content = json.dumps({"version": 1, "seen": kept}, indent=0)
            replace_file(self._folder / _NAME, content.encode())

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

    def _read(self) -> list[Sighting]:
        path = self._folder / _NAME
        if not path.exists():
            return []
        with reading(path), path.open("rb") as stream:
            content = stream.read(_LARGEST)
        try:
            return [
                Sighting.checked(source, text, at, user)
                for source, images in json.loads(content)["seen"].items()
                for text, (at, user) in images.items()
            ]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, InvalidValue):
            text = f"{path} can't be understood (delete it to forget what was seen)"
            raise StorageError(text) from None


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except (OSError, StorageError) as error:
        raise unusable(error) from None


def unusable(error: Exception) -> UseUnknown:
    """The error for sightings that can't be read or noted."""
    return UseUnknown(f"what was seen in use before can't be known, so nothing is deleted: {error}")
