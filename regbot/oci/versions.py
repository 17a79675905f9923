"""Versions in tags: semver 2.0, with an optional ``v`` and a variant.

``1.2`` and ``1`` stand for ``1.2.0`` and ``1.0.0``. The part after the hyphen in
``1.2.3-alpine`` is a pre-release in semver, and a variant of the image on Docker Hub; the
caller decides which.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import semver

from regbot.errors import InvalidValue
from regbot.values import dataclass

_VERSION = re.compile(r"(?P<prefix>[vV]?)(?P<numbers>\d+(?:\.\d+){0,2})(?P<rest>[-+].*)?", re.ASCII)
_COMPARATOR = re.compile(
    r"(?P<operator>>=|<=|!=|>|<|=|\^|~)?\s*[vV]?(?P<numbers>[\dxX*]+(?:\.[\dxX*]+){0,2})"
    r"(?P<rest>[-+][0-9A-Za-z.+-]*)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class TagVersion:
    """A version in a tag. ``variant`` is empty unless it was requested."""

    text: str
    prefix: str
    version: semver.Version
    variant: str = ""

    @classmethod
    def parse(cls, text: str, *, variant: bool = False) -> TagVersion:
        """Read a version. Raises InvalidValue."""
        match = _VERSION.fullmatch(text)
        if match is None:
            raise InvalidValue(f"{text!r} is not a version such as 1.2.3 or v1.2.3-rc.1")
        rest = match["rest"] or ""
        name = rest.removeprefix("-") if variant and rest.startswith("-") else ""
        try:
            version = _full(match["numbers"], "" if name else rest)
        except ValueError:
            raise InvalidValue(f"{text!r} is not a version of semver 2.0") from None
        return cls(text, match["prefix"], version, name)

    @property
    def order(self) -> tuple[semver.Version, str, str]:
        """The sort key: version, variant, text."""
        return (self.version, self.variant, self.text)

    def satisfies(self, wanted: str) -> bool:
        """Whether the version is in a range such as ``>=1.2 <2 || ^3.1``. Raises InvalidValue.

        A pre-release is in a range only if that names a pre-release of the same version.
        """
        return any(self._satisfies_all(part) for part in wanted.split("||"))

    def _satisfies_all(self, part: str) -> bool:
        comparators = _comparators(part)
        if self.version.prerelease and not any(
            c.bound.prerelease and _numbers(c.bound) == _numbers(self.version) for c in comparators
        ):
            return False
        return all(c.holds(self.version) for c in comparators)


def require_range(text: str) -> str:
    """The same text, which is a range as ``satisfies`` takes it. Raises InvalidValue."""
    for part in text.split("||"):
        _comparators(part)
    return text


@dataclass(frozen=True, slots=True)
class _Comparator:
    bound: semver.Version
    holds: Callable[[semver.Version], bool]


def _comparators(part: str) -> list[_Comparator]:
    comparators: list[_Comparator] = []
    end = 0
    text = part.strip()
    for match in _COMPARATOR.finditer(text):
        if text[end : match.start()].strip(" ,\t"):
            break
        comparators.append(_comparator(part, match))
        end = match.end()
    if text[end:].strip(" ,\t") or not comparators:
        raise InvalidValue(f"{part!r} is not a range such as >=1.2 <2, ^1.2 or 1.x")
    return comparators


def _comparator(part: str, match: re.Match[str]) -> _Comparator:
    given = [number for number in match["numbers"].split(".") if number not in ("x", "X", "*")]
    if not all(number.isdigit() for number in given):
        raise InvalidValue(f"{part!r} has a part that is neither a number nor x")
    try:
        low = _full(".".join(given) or "0", match["rest"] or "")
    except ValueError:
        raise InvalidValue(f"{part!r} holds no version of semver 2.0") from None
    high = _next_outside(low, match["operator"] or "=", len(given))
    rules: dict[str, Callable[[semver.Version], bool]] = {
        ">=": lambda version: version >= low,
        "<": lambda version: version < low,
        ">": lambda version: version > low if high is None else version >= high,
        "<=": lambda version: version <= low if high is None else version < high,
        "!=": lambda version: not _within(version, low, high),
    }
    operator = match["operator"] or "="
    return _Comparator(low, rules.get(operator, lambda version: _within(version, low, high)))


def _within(version: semver.Version, low: semver.Version, high: semver.Version | None) -> bool:
    if high is None:
        return version == low
    return version >= low and _numbers(version) < _numbers(high)


def _next_outside(low: semver.Version, operator: str, given: int) -> semver.Version | None:
    """The first version above the range of ``^``, ``~`` or a version with missing parts."""
    if given == 0:
        return semver.Version(2**63)
    if operator == "^":
        leading = next((n for n, number in enumerate(_numbers(low)[:given]) if number), given - 1)
        return _bumped(low, leading)
    if operator == "~":
        return _bumped(low, min(1, given - 1))
    return _bumped(low, given - 1) if given < 3 else None


def _bumped(low: semver.Version, place: int) -> semver.Version:
    numbers = [number if n < place else 0 for n, number in enumerate(_numbers(low))]
    numbers[place] = _numbers(low)[place] + 1
    return semver.Version(*numbers)


def _numbers(version: semver.Version) -> tuple[int, int, int]:
    return (version.major, version.minor, version.patch)


def _full(numbers: str, rest: str) -> semver.Version:
    padded = ".".join([*numbers.split("."), "0", "0"][:3])
    return semver.Version.parse(padded + rest)
