"""``semver.*``: versions in tags, compared and chosen."""

from __future__ import annotations

from typing import Any

from regbot.errors import InvalidValue
from regbot.lua.api.context import Context
from regbot.lua.binding import (
    BOOLEAN,
    STRING,
    Binding,
    Parameter,
    Passed,
    Type,
    describe,
    plain,
)
from regbot.oci.versions import TagVersion


def _read_strings(passed: Passed) -> list[str]:
    values: Any = [] if passed.value == {} else passed.value
    if passed.kind or not isinstance(values, list):
        raise InvalidValue(f"expected an array of strings, got {describe(passed)}")
    if not all(isinstance(value, str) for value in values):
        raise InvalidValue("expected an array of strings, got one with something else in it")
    return values


STRINGS = Type("array of strings", _read_strings, "string[]")

_VARIANT = Parameter(
    "variant",
    BOOLEAN,
    "what is behind the hyphen is a variant of the image (1.2.3-alpine), not a pre-release",
    default=False,
)


def _parse(_context: Context, text: str, *, variant: bool) -> Passed:
    try:
        found = TagVersion.parse(text, variant=variant)
    except InvalidValue:
        return plain(None)
    version = found.version
    return plain(
        {
            "text": found.text,
            "prefix": found.prefix,
            "major": version.major,
            "minor": version.minor,
            "patch": version.patch,
            "prerelease": version.prerelease or "",
            "build": version.build or "",
            "variant": found.variant,
        }
    )


def _compare(_context: Context, a: str, b: str, *, variant: bool) -> Passed:
    one, other = (TagVersion.parse(text, variant=variant) for text in (a, b))
    difference = one.version.compare(other.version)
    if difference == 0:
        difference = (one.variant > other.variant) - (one.variant < other.variant)
    return plain(difference)


def _sort(_context: Context, texts: list[str], *, variant: bool, newest_first: bool) -> Passed:
    found = [TagVersion.parse(text, variant=variant) for text in texts]
    found.sort(key=lambda version: version.order, reverse=newest_first)
    return plain([version.text for version in found])


def _satisfies(_context: Context, text: str, wanted: str, *, variant: bool) -> Passed:
    return plain(TagVersion.parse(text, variant=variant).satisfies(wanted))


BINDINGS = (
    Binding(
        name="semver.parse",
        doc="The parts of a version such as v1.2.3-rc.1: text, prefix, major, minor, patch,"
        " prerelease, build, variant; nil for what is no version. 1.2 stands for 1.2.0.",
        parameters=(Parameter("text", STRING, "a tag"),),
        options=(_VARIANT,),
        run=_parse,
        result="table?",
    ),
    Binding(
        name="semver.compare",
        doc="-1, 0 or 1, as a is older than, equal to or newer than b.",
        parameters=(Parameter("a", STRING, "a version"), Parameter("b", STRING, "a version")),
        options=(_VARIANT,),
        run=_compare,
        result="integer",
    ),
    Binding(
        name="semver.sort",
        doc="A new array of the versions, oldest first. An error when one is no version.",
        parameters=(Parameter("versions", STRINGS, "the versions"),),
        options=(
            _VARIANT,
            Parameter("newest_first", BOOLEAN, "the other way round", default=False),
        ),
        run=_sort,
        result="string[]",
    ),
    Binding(
        name="semver.satisfies",
        doc="Whether a version is in a range, such as >=1.2 <2, ^1.2, ~1.2.3, 1.x or two of them"
        " with || between. A pre-release is only where the range names one of the same numbers.",
        parameters=(
            Parameter("version", STRING, "a version"),
            Parameter("range", STRING, "the range"),
        ),
        options=(_VARIANT,),
        run=_satisfies,
        result="boolean",
    ),
)
