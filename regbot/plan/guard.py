"""Rules that a plan has to keep before anything of it is done.

The rules are the user's own ``guard:``; what they judge are plain facts of a plan,
so this room knows neither stores nor actions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace

from regbot.errors import InvalidValue
from regbot.oci.patterns import Pattern
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.units import format_age, format_duration, parse_duration
from regbot.values import dataclass

_MOST_NAMED = 3
"""Tags or repositories that a message names; it counts the others."""


@dataclass(frozen=True, slots=True)
class Protection:
    """A pattern of tags that are never deleted.

    It has to fit a tag as a whole, or ``repository:tag``, or ``registry/repository:tag``.
    ``place`` is where it was read, for messages.
    """

    pattern: Pattern
    place: str = field(default="", compare=False)

    @classmethod
    def parse(cls, text: str) -> Protection:
        """Read a pattern. Raises InvalidValue for a broken one, and for an empty one."""
        return cls(Pattern.parse(text))

    @property
    def text(self) -> str:
        """The pattern as it was written."""
        return self.pattern.text

    def __str__(self) -> str:
        """The rule as messages name it."""
        return _named("protect", self.text, self.place)

    def fits(self, reference: Reference) -> bool:
        """Whether the reference's tag is protected. A digest alone never is."""
        if reference.tag is None:
            return False
        tagged = reference.with_tag(reference.tag)
        names = (reference.tag, f"{reference.repository}:{reference.tag}", str(tagged))
        return any(map(self.pattern.fits, names))


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules; None and empty mean no such rule.

    ``max_deletes``: tags and manifests of a run. ``max_delete_percent``: of a
    repository's tags. ``min_age``: seconds that an image has to be old, and it has to
    be known. ``keep_at_least``: tags left in a repository that something is deleted of.
    ``places`` are where the rules were read, by their names in the config, for messages.
    """

    max_deletes: int | None = None
    max_delete_percent: float | None = None
    protect: tuple[Protection, ...] = ()
    min_age: float | None = None
    keep_at_least: int | None = None
    places: Mapping[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def of(
        cls,
        *,
        max_deletes: int | None = None,
        max_delete_percent: float | None = None,
        protect: Iterable[str] = (),
        min_age: str | float | None = None,
        keep_at_least: int | None = None,
    ) -> Guard:
        """A guard written as in the config: ``Guard.of(protect=["latest"], min_age="7d")``.

        A number for ``min_age`` is seconds. Raises InvalidValue.
        """
        if isinstance(protect, str):
            raise InvalidValue(f"protect needs a list of patterns: [{protect!r}]")
        return cls(
            max_deletes,
            max_delete_percent,
            tuple(map(Protection.parse, protect)),
            parse_duration(min_age) if isinstance(min_age, str) else min_age,
            keep_at_least,
        )

    def __repr__(self) -> str:
        values = {
            "max_deletes": self.max_deletes,
            "max_delete_percent": self.max_delete_percent,
            "protect": [each.text for each in self.protect] or None,
            "min_age": None if self.min_age is None else format_duration(self.min_age),
            "keep_at_least": self.keep_at_least,
        }
        given = [f"{name}={value!r}" for name, value in values.items() if value is not None]
        return f"Guard.of({', '.join(given)})"

    @property
    def is_set(self) -> bool:
        """Whether there is any rule."""
        return self != Guard()

    @property
    def judges_runs(self) -> bool:
        """Whether a rule is about all that a run deletes, and not about one tag."""
        return replace(self, protect=()).is_set

    @property
    def counts_tags(self) -> bool:
        """Whether a rule is about how many tags a repository has."""
        return (self.max_delete_percent, self.keep_at_least) != (None, None)

    def over(self, other: Guard) -> Guard:
        """These rules, with those of ``other`` where there is none; patterns of both."""

        def first(ours: float | None, theirs: float | None) -> float | None:
            return theirs if ours is None else ours

        ours = {
            "maxDeletes": self.max_deletes,
            "maxDeletePercent": self.max_delete_percent,
            "minAge": self.min_age,
            "keepAtLeast": self.keep_at_least,
        }
        theirs = {rule: place for rule, place in other.places.items() if ours.get(rule) is None}
        deletes = first(self.max_deletes, other.max_deletes)
        keep = first(self.keep_at_least, other.keep_at_least)
        return Guard(
            max_deletes=None if deletes is None else int(deletes),
            max_delete_percent=first(self.max_delete_percent, other.max_delete_percent),
            protect=tuple(dict.fromkeys((*self.protect, *other.protect))),
            min_age=first(self.min_age, other.min_age),
            keep_at_least=None if keep is None else int(keep),
            places={**theirs, **self.places},
        )

    def named(self, rule: str, limit: str) -> str:
        """A rule as messages name it, with its limit and its place."""
        return _named(rule, limit, self.places.get(rule, ""))

    def protection_of(self, tag: Tag, names: Sequence[Reference]) -> Protection | None:
        """The pattern that protects a tag of a repository, by any of the repository's names."""
        if not self.protect:
            return None
        called = [name.with_tag(tag) for name in names]
        return next((each for each in self.protect if any(map(each.fits, called))), None)


def _named(rule: str, limit: str, place: str) -> str:
    return f"{rule} {limit} ({place})" if place else f"{rule} {limit}"


@dataclass(frozen=True, slots=True)
class Doomed:
    """A tag, or without one a manifest, that a plan deletes.

    ``created`` is when the image was made, in seconds since 1970; None is unknown.
    """

    reference: Reference
    created: float | None = None


@dataclass(frozen=True, slots=True)
class Losses:
    """What a plan deletes of one repository.

    ``names`` are all names of the repository, the first the one to compare by; a tag may
    stand under any of them. ``listed`` are its tags before, None where they are not known.
    """

    names: tuple[Reference, ...]
    listed: frozenset[Tag] | None
    doomed: tuple[Doomed, ...]

    @property
    def where(self) -> Reference:
        """The repository as the script calls it."""
        return self.doomed[0].reference.without_name if self.doomed else self.names[0]

    @property
    def tags(self) -> frozenset[Tag]:
        """The tags that go. A registry may not list all of them."""
        return frozenset(each.reference.tag for each in self.doomed if each.reference.tag)


def broken_rules(guard: Guard, plan: Sequence[Losses], now: float) -> list[str]:
    """What a plan breaks, a line for each rule and repository: which rule, and by how much.

    Of the tags that break one rule the first few are named.
    """
    lines = []
    count = sum(len(losses.doomed) for losses in plan)
    if guard.max_deletes is not None and count > guard.max_deletes:
        over = count - guard.max_deletes
        rule = guard.named("maxDeletes", str(guard.max_deletes))
        lines.append(f"{rule}: {count} would go ({_by_repository(plan)}), {over} too many")
    for losses in plan:
        lines += _broken_in(guard, losses)
    offenders: dict[str, list[str]] = {}
    for losses in plan:
        for each in losses.doomed:
            for rule, what in _broken_by(guard, each, losses.names, now):
                offenders.setdefault(rule, []).append(what)
    return lines + [f"{rule}: {_first(whats, ', ')}" for rule, whats in offenders.items()]


def _first(texts: Sequence[str], separator: str) -> str:
    """The first few texts, and how many more there are."""
    others = len(texts) - _MOST_NAMED
    more = [f"and {others} more"] if others > 0 else []
    return separator.join([*texts[:_MOST_NAMED], *more])


def _by_repository(plan: Sequence[Losses]) -> str:
    largest = sorted(plan, key=lambda losses: -len(losses.doomed))
    return _first([f"{len(each.doomed)} of {each.where}" for each in largest if each.doomed], ", ")


def _broken_in(guard: Guard, losses: Losses) -> list[str]:
    if not losses.tags or not guard.counts_tags:
        return []
    lines, where, listed = [], losses.where, losses.listed
    if listed is None:
        return [f"maxDeletePercent and keepAtLeast: the tags of {where} could not be counted"]
    gone, before, left = len(losses.tags), len(listed | losses.tags), len(listed - losses.tags)
    percent = 100 * gone / before
    if guard.max_delete_percent is not None and percent > guard.max_delete_percent:
        rule = guard.named("maxDeletePercent", f"{guard.max_delete_percent:g}")
        lines.append(f"{rule}: {gone} of {before} tags of {where} would go, {percent:.1f} %")
    if guard.keep_at_least is not None and left < guard.keep_at_least:
        rule = guard.named("keepAtLeast", str(guard.keep_at_least))
        missing = guard.keep_at_least - left
        tags = "1 tag" if left == 1 else f"{left} tags"
        lines.append(f"{rule}: {where} would keep {tags}, {missing} too few")
    return lines


def _broken_by(
    guard: Guard, doomed: Doomed, names: tuple[Reference, ...], now: float
) -> Iterator[tuple[str, str]]:
    """The rules that the loss of one tag or manifest breaks, and how."""
    tag = doomed.reference.tag
    protection = tag and guard.protection_of(tag, (doomed.reference, *names))
    if protection:
        yield str(protection), f"{doomed.reference} is protected"
    if guard.min_age is None:
        return
    rule = guard.named("minAge", format_age(guard.min_age))
    if doomed.created is None:
        yield rule, f"the age of {doomed.reference} is unknown"
    elif now - doomed.created < guard.min_age:
        short = format_age(round(guard.min_age - (now - doomed.created)))
        yield rule, f"{doomed.reference} is {short} too young"
