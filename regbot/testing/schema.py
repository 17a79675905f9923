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
from regbot.config.shapes import Shape, any_of, list_of, shape_of, text
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

    created = Key(
        when_of,
        "When it was made: an age such as `40d`, a date such as `2026-01-31`, or `unknown`, "
        "as it is where nothing is said.",
    )
    labels = Key(
        texts_of,
        "Texts by name. As the value of `org.opencontainers.image.created`, an age is written "
        "as the date that it means.",
    )
    annotations = Key(texts_of, "Texts by name, as for `labels`.")
    platform = Key(platform_of, "Such as `linux/arm64`, for a single image.")
    platforms = Key(
        platforms_of,
        "A list of platforms: then it is an index, with an image for each of them. A mapping "
        "gives each platform's image a digest, too.",
    )
    size = Key(size_of, "The size of its layer, such as `50MiB`.")
    digest = Key(digest_of, "A digest of your choice.")
    same = Key(clean_text_of, "Another tag, whose image this tag is on.")
    signatures = Key(
        OneOrMore(named_by),
        "Endings such as `[sig, att]`: each is a tag `sha256-<digest>.sig`, as cosign makes them.",
    )
    referrers = Key(
        OneOrMore(named_by),
        "The types of artifacts that name the image as their subject.",
    )

    @classmethod
    def read(cls, value: Value) -> ImageSection:
        """The same for an image of which only the date is said, or nothing at all."""
        if isinstance(value.node, Scalar):
            return cls({} if value.node.is_null else {"created": when_of(value)})
        return super().read(value)

    @classmethod
    def shape(cls) -> Shape:
        """A mapping, or a date."""
        return any_of(super().shape(), shape_of(when_of))


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

    def shape(self) -> Shape:
        """A mapping, or a list of names."""
        return any_of(super().shape(), list_of(text("latest", "v1.0")))


class RepositorySection(Section):
    """A repository: its tags, and the images that have none."""

    called = "a repository"

    tags = Key(Images(), "The tags: a list of names, or a mapping of each name to its image.")
    untagged = Key(Images(), "The images without a tag, each with a name for this file alone.")


class FaultSection(Section):
    """A request that fails; fields of ``store.Fault``."""

    called = "a fault"

    request = Key(count_of, "The request that fails, counted from 1.")
    tag = Key(clean_text_of, "Every request about this tag fails.")
    status = RequiredKey(status_of, "The HTTP status of the answer, such as `429`.")


class Expectation(Section):
    """What is expected of a test. What it doesn't mention must not happen.

    ``deleted``, ``kept``, ``copied`` and ``exported`` are patterns of names. ``error`` and
    ``guard`` are parts of the message. ``requests`` is how many there may be.
    """

    deleted = Key(OneOrMore(pattern_of), "Exactly what is deleted.")
    kept = Key(OneOrMore(pattern_of), "What must still be there, on the same image.")
    copied = Key(
        OneOrMore(pattern_of),
        "The tags that were put on an image, by a copy or otherwise.",
    )
    exported = Key(OneOrMore(pattern_of), "The archives that were written.")
    error = Key(
        clean_text_of,
        "A part of the message that ends the script. What the script deleted before counts.",
    )
    guard = Key(
        clean_text_of,
        "A part of the message of the guard that stops it, such as `maxDeletes`. Then nothing "
        "is deleted.",
    )
    requests = Key(count_of, "How many requests there may be, without read-ahead and cache.")


class SetupSection(Section):
    """What a test runs and on what; what a file says here holds for all its tests."""

    config = Key(
        clean_text_of,
        "A config, relative to the folder of the test file. The script's `args`, its guard "
        "and the defaults are used, credentials are not.",
    )
    run = Key(
        clean_text_of,
        "The name of one of the config's scripts; it can be left out if there is only one.",
    )
    script = Key(clean_text_of, "The Lua text itself.")
    file = Key(script_file_of, "A Lua file. Its name is relative to the folder of the test file.")
    args = Key(
        arguments_of,
        "Values of the table `args`. They replace those of the config one by one.",
    )
    guard = Key(
        GuardSection.read,
        "Limits such as `{maxDeletes: 3}`. They take precedence over those of the config.",
    )
    environment = Key(
        texts_of,
        "What `os.getenv` finds. A script that runs with a `config` finds the names that are "
        "listed there under `env`.",
    )
    now = Key(
        moment_of,
        "The time that the script's clock and its guard's stand at, such as "
        "`2026-01-31T12:00:00Z`. It is needed where a date in the file is fixed.",
    )
    repositories = Key(
        Table(RepositorySection.read),
        "What there is, by the name of the repository.",
    )
    in_use = Key(
        Listing(image_of),
        "Images that are in use, such as `registry.example.org/team/app:v1`. They take the "
        "place of the config's sources ([images in use](in-use.md)), which no test asks.",
    )
    faults = Key(
        Listing(FaultSection.read),
        "Requests that fail: `{request: 3, status: 429}` is the third request, `{tag: "
        "build-1, status: 500}` every request about a tag. regbot's own retries have failed "
        "by then.",
    )
    variants = Key(flag_of, "`false` leaves the variants out.", default=True)


class CaseSection(SetupSection):
    """One test."""

    called = "a test"

    name = RequiredKey(name_of, "The name of the test.")
    expect = Key(Expectation.read, "What has to happen. What it doesn't mention must not happen.")


class Suite(SetupSection):
    """The whole file."""

    version = Key(version_of, "The form of the file, always 1.", default=1)
    tests = Key(
        Listing(CaseSection.read),
        "The tests. What one says itself takes precedence over what the file says.",
    )
