"""What a test file may hold: one class for each kind of mapping, as in ``config.schema``."""

from __future__ import annotations

from regbot.config.document import ListNode, Scalar
from regbot.config.fields import (
    arguments_of,
    clean_text_of,
    count_of,
    flag_of,
    name_of,
    size_of,
    text_of,
    version_of,
)
from regbot.config.filefields import script_file_of
from regbot.config.schema import GuardSection
from regbot.config.section import Key, Listing, RequiredKey, Section, Table, Value
from regbot.testing.fields import (
    NAMES,
    OneOrMore,
    digest_of,
    image_of,
    moment_of,
    named_by,
    pattern_of,
    platform_of,
    platforms_of,
    status_of,
    texts_of,
    when_of,
)


class ImageSection(Section):
    """An image, or the tag (``same``) whose image it is; fields of ``fixture.Image``."""

    called = "an image"

    created = Key(when_of)
    labels = Key(texts_of)
    annotations = Key(texts_of)
    platform = Key(platform_of)
    platforms = Key(platforms_of)
    size = Key(size_of)
    digest = Key(digest_of)
    same = Key(clean_text_of)
    signatures = Key(OneOrMore(named_by))
    referrers = Key(OneOrMore(named_by))

    @classmethod
    def read(cls, value: Value) -> ImageSection:
        """The same for an image of which only the date is said, or nothing at all."""
        if isinstance(value.node, Scalar):
            return cls({} if value.node.is_null else {"created": when_of(value)})
        return super().read(value)


class Images(Table[ImageSection]):
    """The kind of a mapping of names to images, or of a list of names alone."""

    def __init__(self) -> None:
        super().__init__(ImageSection.read)

    def __call__(self, value: Value) -> dict[str, ImageSection]:
        """Read the images."""
        if not isinstance(value.node, ListNode):
            return super().__call__(value)
        names = [
            text_of(Value(node, node.mark, value.place, value.reader), NAMES)
            for node in value.node.items
        ]
        return {name: ImageSection({}) for name in names}


class RepositorySection(Section):
    """A repository: its tags, and the images that have none."""

    called = "a repository"

    tags = Key(Images())
    untagged = Key(Images())


class FaultSection(Section):
    """A request that fails; fields of ``store.Fault``."""

    called = "a fault"

    request = Key(count_of)
    tag = Key(clean_text_of)
    status = RequiredKey(status_of)


class Expectation(Section):
    """What is expected of a test. What it doesn't mention must not happen.

    ``deleted``, ``kept``, ``copied`` and ``exported`` are patterns of names. ``error`` and
    ``guard`` are parts of the message. ``requests`` is how many there may be.
    """

    deleted = Key(OneOrMore(pattern_of))
    kept = Key(OneOrMore(pattern_of))
    copied = Key(OneOrMore(pattern_of))
    exported = Key(OneOrMore(pattern_of))
    error = Key(clean_text_of)
    guard = Key(clean_text_of)
    requests = Key(count_of)


class SetupSection(Section):
    """What a test runs and on what; what a file says here holds for all its tests."""

    config = Key(clean_text_of)
    run = Key(clean_text_of)
    script = Key(clean_text_of)
    file = Key(script_file_of)
    args = Key(arguments_of)
    guard = Key(GuardSection.read)
    environment = Key(texts_of)
    now = Key(moment_of)
    repositories = Key(Table(RepositorySection.read))
    in_use = Key(Listing(image_of), "inUse")
    faults = Key(Listing(FaultSection.read))
    variants = Key(flag_of)


class CaseSection(SetupSection):
    """One test."""

    called = "a test"

    name = RequiredKey(name_of)
    expect = Key(Expectation.read)


class Suite(SetupSection):
    """The whole file."""

    version = Key(version_of)
    tests = Key(Listing(CaseSection.read))
