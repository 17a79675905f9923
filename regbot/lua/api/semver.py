"""``semver.*``: versions in tags, compared and chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from regbot.errors import InvalidValue
from regbot.lua.binding import (
    BOOLEAN,
    NAME_LIMIT,
    STRING,
    Binding,
    LocalContext,
    Parameter,
    Passed,
    Type,
    describe,
    plain,
)

if TYPE_CHECKING:
    from regbot.oci.versions import TagVersion


def _read_strings(passed: Passed) -> list[str]:
    values: Any = [] if passed.value == {} else passed.value
    if passed.kind or not isinstance(values, list):
        raise InvalidValue(f"expected an array of strings, got {describe(passed)}")
    if not all(isinstance(value, str) and len(value) <= NAME_LIMIT for value in values):
        raise InvalidValue(
            f"expected an array of strings of at most {NAME_LIMIT} characters, got one with"
            " something else in it"
        )
    return values


STRINGS = Type("array of strings", _read_strings, "string[]")

_VARIANT = Parameter(
    "variant",
    BOOLEAN,
    "what follows the hyphen is a variant of the image (1.2.3-alpine), not a pre-release",
    default=False,
)


def _tag_version(text: str, *, variant: bool) -> TagVersion:
    """The version in a tag. What reads it is loaded when a script has one."""
    from regbot.oci.versions import TagVersion

    return TagVersion.parse(text, variant=variant)


def _version(_context: LocalContext, text: str, *, variant: bool) -> Passed:
    parsed = _tag_version(text, variant=variant)
    version = parsed.version
    return plain(
        {
            "text": parsed.text,
            "prefix": parsed.prefix or None,
            "major": version.major,
            "minor": version.minor,
            "patch": version.patch,
            "prerelease": version.prerelease,
            "build": version.build,
            "variant": parsed.variant or None,
        }
    )


def _parse(context: LocalContext, text: str, *, variant: bool) -> Passed:
    try:
        return _version(context, text, variant=variant)
    except InvalidValue:
        return plain(None)


def _compare(_context: LocalContext, a: str, b: str, *, variant: bool) -> Passed:
    left, right = (_tag_version(text, variant=variant) for text in (a, b))
    difference = left.version.compare(right.version)
    if difference == 0:
        difference = (left.variant > right.variant) - (left.variant < right.variant)
    return plain(difference)


def _sort(_context: LocalContext, texts: list[str], *, variant: bool, newest_first: bool) -> Passed:
    versions = [_tag_version(text, variant=variant) for text in texts]
    versions.sort(key=lambda version: version.order, reverse=newest_first)
    return plain([version.text for version in versions])


def _satisfies(_context: LocalContext, text: str, wanted: str, *, variant: bool) -> Passed:
    return plain(_tag_version(text, variant=variant).satisfies(wanted))


BINDINGS = (
    Binding(
        name="semver.parse",
        doc="The parts of a version such as v1.2.3-rc.1, as a table with text, prefix, major,"
        " minor, patch, prerelease, build and variant. Gives nil if the text is not a version. A"
        " part that is missing is nil, but 1.2 stands for 1.2.0. Two versions can be"
        " compared with < and ==.",
        parameters=(Parameter("text", STRING, "a tag"),),
        options=(_VARIANT,),
        run=_parse,
        local=True,
        result="table?",
    ),
    Binding(
        name="semver",
        doc="The same as semver.parse, but a text that is not a version is an error.",
        parameters=(Parameter("text", STRING, "a version"),),
        options=(_VARIANT,),
        run=_version,
        local=True,
        result="table",
    ),
    Binding(
        name="semver.compare",
        doc="Gives -1 if a is older than b, 0 if they are equal, 1 if a is newer.",
        parameters=(Parameter("a", STRING, "a version"), Parameter("b", STRING, "a version")),
        options=(_VARIANT,),
        run=_compare,
        local=True,
        result="integer",
    ),
    Binding(
        name="semver.sort",
        doc="A new array of the versions, the oldest first. A text that is not a version is an"
        " error.",
        parameters=(Parameter("versions", STRINGS, "the versions"),),
        options=(
            _VARIANT,
            Parameter("newest_first", BOOLEAN, "the newest first", default=False),
        ),
        run=_sort,
        local=True,
        result="string[]",
    ),
    Binding(
        name="semver.satisfies",
        doc="Whether a version is in a range, such as >=1.2 <2, ^1.2, ~1.2.3, 1.x, or several of"
        " them with || between. A pre-release is in a range only if the range names a pre-release"
        " of the same version: 1.2.0-rc.1 is not in >=1.1, but in >=1.2.0-rc.0.",
        parameters=(
            Parameter("version", STRING, "a version"),
            Parameter("range", STRING, "the range"),
        ),
        options=(_VARIANT,),
        run=_satisfies,
        local=True,
        result="boolean",
    ),
)
