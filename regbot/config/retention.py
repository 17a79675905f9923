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
from regbot.config.shapes import ANY_TEXT, number, shape_of, shaped, table_of, text, words
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


@shaped(words(*_BY))
def by_of(value: Value) -> By:
    """What images are ranked by."""
    word = _known_date(word_of(value, BY))
    if word not in _BY:
        raise unexpected(word, BY)
    return _BY[word]


@shaped(words("created"))
def age_by_of(value: Value) -> str:
    """The date that an age is counted from."""
    word = _known_date(word_of(value, AGE_BY))
    if word != "created":
        raise unexpected(word, AGE_BY)
    return word


@shaped(shape_of(duration_of))
def age_of(value: Value) -> float:
    """Seconds, 0 or more."""
    return duration_of(value) or 0.0


@shaped(text(r"ci-(.*)-\d+"))
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


@shaped(number(1))
def at_least_one_of(value: Value) -> int:
    """A number of images to keep."""
    count = count_of(value)
    if not count:
        raise Mistake("the newest 0 are none (write 1 or more)")
    return count


@shaped(table_of(ANY_TEXT, least=1))
def labels_of(value: Value) -> tuple[tuple[str, str], ...]:
    """Labels and their values."""
    if not isinstance(value.node, MappingNode) or not value.node.entries:
        raise unexpected(value.node, LABELS)
    entries = value.node.entries.items()
    return tuple((name, clean_text_of(value.of_key(name, entry))) for name, entry in entries)


@shaped(shape_of(flag_of))
def in_use_of(value: Value) -> bool:
    """That images in use are kept."""
    if not flag_of(value):
        raise Mistake("a rule can't keep what is not in use (write inUse: true, or remove it)")
    return True


@shaped(words(*_REFERRERS))
def referrers_of(value: Value) -> Referrers:
    """What becomes of signatures and the like."""
    word = word_of(value, REFERRERS)
    if word not in _REFERRERS:
        raise unexpected(word, REFERRERS)
    return _REFERRERS[word]


@shaped(words("keep"))
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

    count = RequiredKey(at_least_one_of, "How many images are kept.")
    by = Key(
        by_of,
        "What images are ordered by: `created`, their date; `semver`, the version that the tag is;"
        " or `name`, the tag as text.",
        default="created",
    )
    per = Key(
        group_of,
        "A regular expression with groups in brackets, such as `ci-(.*)-\\d+`. Tags for which the"
        " groups are the same have a ranking of their own.",
    )


class AgeSection(Section):
    """An age that an image is compared with."""

    called = "an age"

    than = RequiredKey(age_of, "The age, such as `14d`.")
    by = Key(
        age_by_of,
        "The date that the age is counted from. `created` is the only one that registries tell.",
        default="created",
    )


class KeepSection(Section):
    """One rule: what has to be true of a tag for it to be kept; fields of Rule."""

    tags = Key(
        tag_patterns_of,
        "One of these patterns fits the whole tag. A pattern is a glob, or a regular expression"
        " after `regex:`. A glob that can fit no tag is a mistake, such as `{a,b}`: write two"
        " patterns.",
    )
    newest = Key(
        NewestSection.read,
        "The tag is on one of the newest images: `count` says how many. `by` says what they are"
        " ordered by: `created` (the default), `semver` or `name`. `per` is a regular expression;"
        " tags with the same text in its brackets are counted by themselves.",
    )
    newer = Key(AgeSection.read, "The image is not older than an age: `{than: 14d}`.")
    older = Key(
        AgeSection.read,
        "The image is older than an age: `{than: 90d}`. With `newest`, the newest of the old ones"
        " are kept.",
    )
    labels = Key(
        labels_of,
        "The image has all of these labels, with these values. Of an index, one image that has"
        " them all is enough.",
    )
    in_use = Key(
        in_use_of,
        "`true`: the image is [in use](in-use.md). This needs `inUse` in the config.",
    )

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

    tags = RequiredKey(
        tag_patterns_of, "Patterns of tags: globs, or regular expressions after `regex:`."
    )


class RetentionSection(Section):
    """What is kept of each repository; fields of Policy."""

    keep = Key(
        Listing(KeepSection.read),
        "The rules. A tag is kept if one of them holds. See"
        " [conditions of a rule](rules.md#conditions-of-a-rule).",
    )
    delete = Key(
        Listing(DeleteSection.read),
        "A list of `{tags: [...]}`: only these tags may be deleted. Default: all tags. Without"
        " `keep`, all of these tags are deleted.",
    )
    referrers = Key(
        referrers_of,
        "What becomes of signatures and SBOMs that have a tag made of a digest, such as"
        " cosign's `sha256-<hex>.sig`, and of the tag `sha256-<hex>` that lists referrers."
        " `with-subject`: they are deleted after the last tag that leads to that digest, and stay"
        " if that tag can't be deleted. `keep`: they stay.",
        default="with-subject",
    )
    untagged = Key(
        untagged_of,
        "Manifests without a tag: `keep` is the only value, because registries don't list them.",
        default="keep",
    )
    allow_empty = Key(flag_of, "`true`: a repository may be left without any tag.", default=False)

    @property
    def policy(self) -> Policy:
        """The policy that it is."""
        return Policy(
            keep=tuple(section.rule for section in self.keep or ()),
            delete=tuple(each for section in self.delete or () for each in section.tags),
            referrers=self.referrers or "with-subject",
            allow_empty=bool(self.allow_empty),
        )
