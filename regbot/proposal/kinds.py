"""What tags look like: releases, builds in series, names that move, signatures.

What isn't surely a build counts as something to keep.
"""

from __future__ import annotations

import re
from typing import Literal

from regbot.errors import InvalidValue
from regbot.image.parts import is_digest_tag
from regbot.oci.tag import Tag
from regbot.oci.versions import TagVersion
from regbot.values import dataclass

Ending = Literal["number", "date", "commit"]
Kind = Literal["release", "build", "moving", "signature", "other"]

_ENDINGS: dict[Ending, str] = {
    "number": "[0-9]+",
    "date": "[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "commit": "[0-9a-f]{7,40}",
}
_OF_COMMITS = frozenset({"commit", "git", "sha"})
_OF_BUILDS = _OF_COMMITS | {
    *("branch", "bugfix", "build", "ci", "dev", "feat", "feature", "mr", "nightly"),
    *("pipeline", "pr", "preview", "pull", "snapshot", "test", "tmp", "wip"),
}
"""The first words of tags that are made by every push, and that nobody asks for later."""
_OF_RELEASES = frozenset({"prod", "production", "rc", "rel", "release", "stable", "v", "version"})
_WORDS = r"(?P<prefix>[A-Za-z]+(?:[-_.][A-Za-z][A-Za-z0-9]*)*?[-_.]?)"
_IN_SERIES: dict[Ending, re.Pattern[str]] = {
    ending: re.compile(_WORDS + pattern) for ending, pattern in _ENDINGS.items()
}


@dataclass(frozen=True, slots=True)
class Series:
    """Tags that differ in a number, a date or a commit alone, such as build-1 and build-2."""

    prefix: str
    ending: Ending

    @classmethod
    def of(cls, tag: Tag) -> Series | None:
        """The series that a tag is one of, if it is one of builds."""
        for ending, expression in _IN_SERIES.items():
            match = expression.fullmatch(tag)
            words = re.findall("[a-z]+", match["prefix"].lower()) if match else [""]
            is_of_builds = words[0] in _OF_BUILDS and _OF_RELEASES.isdisjoint(words)
            if match and is_of_builds and (words[0] in _OF_COMMITS) == (ending == "commit"):
                return cls(match["prefix"], ending)
        return None

    @property
    def pattern(self) -> str:
        """The pattern that fits the tags of the series, and no others."""
        return f"regex:{self.prefix.replace('.', '[.]')}{_ENDINGS[self.ending]}"

    def tag(self, number: int) -> str:
        """A made-up tag of the series, for a number up to 28."""
        match self.ending:
            case "number":
                return f"{self.prefix}{number}"
            case "date":
                return f"{self.prefix}2026-01-{number:02}"
            case "commit":
                return f"{self.prefix}{number:07x}"


def kind_of(tag: Tag) -> Kind:
    """What a tag is, by its name."""
    if is_digest_tag(tag):
        return "signature"
    if Series.of(tag):
        return "build"
    if not re.search("[0-9]", tag):
        return "moving"
    return "release" if _is_release(tag) else "other"


def _is_release(tag: Tag) -> bool:
    try:
        return len(str(TagVersion.parse(tag, variant=True).version.major)) < 5
    except InvalidValue:
        return False
