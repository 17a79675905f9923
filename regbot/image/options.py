"""What a copy takes along, as a frozen value."""

from __future__ import annotations

from regbot.oci.manifest import Descriptor
from regbot.oci.platform import Platform
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class ReferrerFilter:
    """The referrers of an artifact type, if one is given, that have these annotations.

    An annotation without a value has to be there, whatever its value is.
    """

    artifact_type: str = ""
    annotations: tuple[tuple[str, str], ...] = ()

    def takes(self, referrer: Descriptor) -> bool:
        """Whether a referrer is one of these, by its descriptor in the list of referrers."""
        if self.artifact_type and referrer.artifact_type != self.artifact_type:
            return False
        there = referrer.annotations
        return all(name in there and value in ("", there[name]) for name, value in self.annotations)


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """What to copy, and how.

    ``platforms``: only these children of an index. The index itself is copied as it
    is, with the same digest, so that it lists more than the target has; a target
    that does not take such an index makes the copy fail.
    ``digest_tags``: also tags named after a digest: ``sha256-<hex>.sig`` and its like, and
    ``sha256-<hex>``, where clients list referrers.
    ``referrers``: also what refers to any of the manifests, and what refers to that; where
    there are ``referrer_filters``, only what one of them takes.
    ``force_recursive``: look at every manifest and blob, though the tag is there.
    ``include_external``: also layers that are kept elsewhere, if the source has them.
    ``fast_check``: do nothing when the tag has the digest, whatever the other options say.
    ``workers``: how many blobs or manifests are copied at once.
    """

    platforms: tuple[Platform, ...] = ()
    digest_tags: bool = False
    referrers: bool = False
    force_recursive: bool = False
    include_external: bool = False
    fast_check: bool = False
    workers: int = 4
    referrer_filters: tuple[ReferrerFilter, ...] = ()

    def takes(self, referrer: Descriptor) -> bool:
        """Whether a referrer is one to be copied."""
        filters = self.referrer_filters
        return not filters or any(each.takes(referrer) for each in filters)

    @property
    def asks_for_more(self) -> bool:
        """Whether a tag with the right digest is not the end of it."""
        more = self.platforms or self.digest_tags or self.referrers
        return bool(more or self.force_recursive)
