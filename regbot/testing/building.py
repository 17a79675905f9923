"""From what a test file says of a repository to the images and tags in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from regbot.config.document import Path as Steps
from regbot.config.document import shown
from regbot.errors import InvalidValue
from regbot.image.facts import CREATED
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.testing.fields import When
from regbot.testing.fixture import USUAL, Image, Repository
from regbot.testing.schema import ImageSection, RepositorySection
from regbot.units import format_moment

DEFAULT_NOW = 1767268800.0
"""2026-01-01T12:00:00Z: where no date is fixed, any time is as good."""


class Builder:
    """Builds one repository. ``problem`` is told of each mistake, with its place in the file."""

    def __init__(
        self, problem: Callable[[Steps, str], None], place: Steps, now: float | None
    ) -> None:
        self._problem = problem
        self._place = place
        self._now = now

    def repository(self, reference: Reference, section: RepositorySection) -> Repository:
        """The repository of a section."""
        sections, images = section.tags or {}, dict[str, Image]()
        tags: dict[Tag, str] = {}
        for name, each in sections.items():
            steps = (*self._place, "tags", name)
            try:
                tag = Tag.parse(name)
            except InvalidValue as error:
                self._problem(steps, f"{error} (give the tag another name)")
                continue
            other = sections.get(each.same) if each.same else each
            if other is None or (each.same and other.same):
                text = f"same: there is no image at tag {shown(str(each.same))}"
                self._problem(steps, f"{text} (name a tag with an image of its own)")
            tags[tag] = each.same or name
            if not each.same:
                images[name] = self._image(steps, each)
        for name, each in (section.untagged or {}).items():
            if name in images:
                text = f"{shown(name)} is a tag too (give the untagged image another name)"
                self._problem((*self._place, "untagged", name), text)
            images[name] = self._image((*self._place, "untagged", name), each)
        return Repository(reference, images, tags)

    def _image(self, steps: Steps, section: ImageSection) -> Image:
        when = section.created
        if when and when.date is not None and self._now is None:
            text = "created: a fixed date needs a fixed now (add now: such as 2026-01-31)"
            self._problem(steps, text)
        now = DEFAULT_NOW if self._now is None else self._now
        platforms = section.platforms or {}
        return Image(
            created=when.at(now) if when else None,
            labels=_dated(section.labels or {}, now),
            annotations=_dated(section.annotations or {}, now),
            platform=section.platform or USUAL,
            platforms=platforms,
            size=section.size,
            digest=section.digest,
            signatures=section.signatures or (),
            referrers=section.referrers or (),
        )


def _dated(texts: Mapping[str, str], now: float) -> dict[str, str]:
    """The texts, with an age in place of the date written as the date that it means."""
    dated = dict(texts)
    if CREATED in texts:
        try:
            age = When.parse(texts[CREATED]).age
        except InvalidValue:
            age = None
        if age is not None:
            dated[CREATED] = format_moment(now - age)
    return dated
