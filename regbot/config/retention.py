"""The rules under ``retention``: what the YAML, or a table of Lua, may hold, as a Policy."""

from __future__ import annotations

from typing import Self

from regbot.config.document import MappingNode, Mistake, shown
from regbot.config.fields import (
    Expected,
    clean_text_of,
    count_of,
    duration_of,
    flag_of,
    unexpected,
    word_of,
)
from regbot.config.patternfields import tag_patterns_of
from regbot.config.section import Key, Listing, RequiredKey, Section, Value
from regbot.errors import InvalidValue
from regbot.oci.patterns import Pattern
from regbot.rules.policy import By, Newest, Policy, Referrers, Rule
from regbot.units import format_age

_BY: dict[str, By] = {"created": "created", "semver": "semver", "name": "name"}
_REFERRERS: dict[str, Referrers] = {"with-subject": "with-subject", "keep": "keep"}
BY = Expected("created, semver or name", "write one such as by: created")
AGE_BY = Expected("created", "write by: created")
LABELS = Expected("a mapping", 'write one such as {keep: "true"}')
REFERRERS = Expected("with-subject or keep", "write referrers: with-subject")


def _known_date(word: str) -> str:
    """A word for a date, but for those that no registry tells."""
    if word in ("pushed", "pulled"):
        raise Mistake(
            f"registries don't tell when an image was {word} (write by: created, which is the"
            " date in the image)"
        )
    return word


def by_of(value: Value) -> By:
    """What images are ranked by."""
    word = _known_date(word_of(value, BY))
    if word not in _BY:
        raise unexpected(word, BY)
    return _BY[word]


def age_by_of(value: Value) -> str:
    """The date that an age is counted from."""
    word = _known_date(word_of(value, AGE_BY))
    if word != "created":
        raise unexpected(word, AGE_BY)
    return word


def age_of(value: Value) -> float:
    """Seconds, 0 or more."""
    return duration_of(value) or 0.0


def group_of(value: Value) -> Pattern:
    """An expression whose groups make the group of a tag."""
    text = clean_text_of(value)
    try:
        pattern = Pattern.of_expression(text)
    except InvalidValue as error:
        raise Mistake(f"{error} (write one such as ci-(.*)-\\d+)") from None
    if not pattern.expression.groups:
        raise Mistake(f"{shown(text)} has no group (put what makes the group in brackets)")
    return pattern


def at_least_one_of(value: Value) -> int:
    """A number of images to keep."""
    count = count_of(value)
    if not count:
        raise Mistake("the newest 0 are none (write 1 or more)")
    return count


def labels_of(value: Value) -> tuple[tuple[str, str], ...]:
    """Labels and their values."""
    if not isinstance(value.node, MappingNode) or not value.node.entries:
        raise unexpected(value.node, LABELS)
    entries = value.node.entries.items()
    return tuple((name, clean_text_of(value.of_key(name, entry))) for name, entry in entries)


def in_use_of(value: Value) -> bool:
    """That images in use are kept."""
    if not flag_of(value):
        raise Mistake("a rule can't keep what is not in use (write inUse: true, or remove it)")
    return True


def referrers_of(value: Value) -> Referrers:
    """What becomes of signatures and the like."""
    word = word_of(value, REFERRERS)
    if word not in _REFERRERS:
        raise unexpected(word, REFERRERS)
    return _REFERRERS[word]


def untagged_of(value: Value) -> str:
    """What becomes of manifests without a tag: they stay."""
    word = word_of(value)
    if word != "keep":
        raise Mistake(
            f"{shown(word)} is not possible, because registries don't list manifests without a"
            " tag (write untagged: keep, or remove it)"
        )
    return word


class NewestSection(Section):
    """How many of the newest images a rule keeps; fields of Newest."""

    called = "newest"

    count = RequiredKey(at_least_one_of)
    by = Key(by_of)
    per = Key(group_of)


class AgeSection(Section):
    """An age that an image is compared with."""

    called = "an age"

    than = RequiredKey(age_of)
    by = Key(age_by_of)


class KeepSection(Section):
    """One rule: what has to be true of a tag for it to be kept; fields of Rule."""

    tags = Key(tag_patterns_of)
    newest = Key(NewestSection.read)
    newer = Key(AgeSection.read)
    older = Key(AgeSection.read)
    labels = Key(labels_of)
    in_use = Key(in_use_of)

    @classmethod
    def read(cls, value: Value) -> Self:
        """Read a rule. Ages that exclude each other are a mistake."""
        section = super().read(value)
        newer, older = (
            age.values.get("than") if age else None for age in (section.newer, section.older)
        )
        if newer is not None and older is not None and newer <= older:
            text = f"nothing is newer than {format_age(newer)} and older than {format_age(older)}"
            value.note(value.mark, f"{text} (write two rules)")
        return section

    @property
    def rule(self) -> Rule:
        """The rule that it is."""
        return Rule(
            tags=self.tags or (),
            newest=Newest(**self.newest.values) if self.newest else None,
            newer_than=self.newer.than if self.newer else None,
            older_than=self.older.than if self.older else None,
            labels=self.labels or (),
            in_use=bool(self.in_use),
        )


class DeleteSection(Section):
    """Tags that may be deleted."""

    called = "an entry of delete"

    tags = RequiredKey(tag_patterns_of)


class RetentionSection(Section):
    """What is kept of each repository; fields of Policy."""

    keep = Key(Listing(KeepSection.read))
    delete = Key(Listing(DeleteSection.read))
    referrers = Key(referrers_of)
    untagged = Key(untagged_of)
    allow_empty = Key(flag_of)

    @property
    def policy(self) -> Policy:
        """The policy that it is."""
        return Policy(
            keep=tuple(section.rule for section in self.keep or ()),
            delete=tuple(each for section in self.delete or () for each in section.tags),
            referrers=self.referrers or "with-subject",
            allow_empty=bool(self.allow_empty),
        )
