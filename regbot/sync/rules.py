"""What is copied where, and which tags of it: one entry under ``sync``, as a frozen value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from regbot.errors import InvalidValue
from regbot.image.options import CopyOptions
from regbot.oci.manifest import IMAGES, INDEXES
from regbot.oci.patterns import Pattern
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference, names_of_registry
from regbot.oci.tag import Tag
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class TagRules:
    """Tags that a pattern of ``allow`` fits and none of ``deny``, all where ``allow`` is empty.

    Where there are ``ranges``, a tag has to be a version in one of them too.
    """

    allow: tuple[Pattern, ...] = ()
    deny: tuple[Pattern, ...] = ()
    ranges: tuple[str, ...] = ()

    def takes(self, tag: Tag) -> bool:
        """Whether a tag is one of these. Raises InvalidValue as ``Pattern.fits`` does."""
        if self.ranges and not _in_a_range(tag, self.ranges):
            return False
        if self.allow and not any(pattern.fits(tag) for pattern in self.allow):
            return False
        return not any(pattern.fits(tag) for pattern in self.deny)


def _in_a_range(tag: Tag, ranges: Iterable[str]) -> bool:
    from regbot.oci.versions import TagVersion

    try:
        version = TagVersion.parse(tag)
    except InvalidValue:
        return False
    return any(version.satisfies(each) for each in ranges)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many pulls the source's registry has to have left before a copy begins.

    ``retry`` are the seconds until it is asked again.
    """

    least: int = 0
    retry: float = 300.0


@dataclass(frozen=True, slots=True)
class Sync:
    """Copies to keep up.

    ``source`` is an image, or a repository without tag and digest; None where it is a
    registry, and the copies are made of each of the script's repositories. ``target`` names
    where it goes: of a registry, what the names of repositories are put after. ``tag_sets``
    are the tags to copy of a repository, where there are none all of them. ``platform``: of an
    index only this image is copied, as an image by itself. ``media_types`` are those of the
    manifests that are copied. ``backup`` is a template of a tag, or of a reference, to which
    an image of the target is copied before its tag moves. ``cleanup``: tags of the target
    that are not among those to copy are deleted. ``only_missing``: tags that the target has
    are left as they are.
    """

    source: Reference | None
    target: str
    tag_sets: tuple[TagRules, ...] = ()
    platform: Platform | None = None
    options: CopyOptions = CopyOptions()
    media_types: frozenset[str] = frozenset({*IMAGES, *INDEXES})
    backup: str = ""
    rate_limit: RateLimit = RateLimit()
    cleanup: bool = False
    only_missing: bool = False

    @property
    def is_of_image(self) -> bool:
        """Whether one image is copied, and not the tags of a repository."""
        return self.source is not None and self.source.without_name != self.source

    def target_of(self, repository: Reference) -> Reference:
        """The image or repository that one of the source is copied to.

        Raises InvalidValue where a repository can't have that name.
        """
        if self.is_of_image:
            return Reference.parse(self.target)
        end = "" if self.source else f"/{repository.repository}"
        return Reference.parse(self.target + end, default_tag=None)

    def is_copy(self, repository: Reference) -> bool:
        """Whether a repository of a source that is a registry is itself one of its copies.

        Where both are the same registry, copies of copies would be made without end.
        """
        if self.source is not None:
            return False
        first = Reference.parse(f"{self.target}/repository", default_tag=None)
        above = first.repository.removesuffix("repository")
        is_same = names_of_registry(first.registry) == names_of_registry(repository.registry)
        return is_same and repository.repository.startswith(above)

    def chosen(self, tags: Iterable[Tag]) -> list[Tag]:
        """The tags to copy, in the order they are given. Raises InvalidValue."""
        sets = self.tag_sets or (TagRules(),)
        return [tag for tag in tags if any(each.takes(tag) for each in sets)]


def fields_of(target: Reference) -> Mapping[str, str]:
    """What the template of a backup may name of a target, by regclient's names."""
    return {
        ".Ref.Scheme": "reg" if target.scheme == "registry" else target.scheme,
        ".Ref.Registry": target.registry,
        ".Ref.Repository": target.repository,
        ".Ref.Tag": str(target.tag or ""),
        ".Ref.Digest": str(target.digest or ""),
        ".Ref.CommonName": str(target),
    }
