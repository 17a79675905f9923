"""``repo.*``: the repositories of a registry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from regbot.errors import NotFound, RegbotError, ScriptError, ScriptTimeout, Stopped
from regbot.events import StepsAhead
from regbot.image.crew import Crew
from regbot.image.options import CopyOptions
from regbot.lua.api.context import Context
from regbot.lua.api.names import PATTERNS, REGISTRY, REPOSITORY
from regbot.lua.binding import BOOLEAN, COUNT, STRING, Binding, Parameter, Passed, plain
from regbot.oci.patterns import Pattern
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import CopyImage

_AT_ONCE = 4
"""How many images of a repository are copied at once."""

Name = TypeVar("Name", bound=str)

FILTERS = (
    Parameter("include", PATTERNS, "only names that one of these fits as a whole", default=()),
    Parameter("exclude", PATTERNS, "no names that one of these fits as a whole", default=()),
)
PAGE = (
    Parameter("limit", COUNT, "the maximum number of names"),
    Parameter("last", STRING, "list only names after this one", default=""),
    *FILTERS,
)
"""The options of a function that lists names."""


def fitting(
    names: Iterable[Name], include: Sequence[Pattern], exclude: Sequence[Pattern]
) -> list[Name]:
    """The names that are included, or all of them without ``include``, and not excluded."""
    return [
        name
        for name in names
        if (not include or any(pattern.fits(name) for pattern in include))
        and not any(pattern.fits(name) for pattern in exclude)
    ]


def _repositories(
    context: Context,
    registry: str,
    *,
    limit: int | None,
    last: str,
    include: Sequence[Pattern],
    exclude: Sequence[Pattern],
) -> Passed:
    names = context.stores.repositories(registry, limit=limit, last=last)
    return plain(fitting(names, include, exclude))


def _tags_to_copy(
    context: Context,
    source: Reference,
    target: Reference,
    patterns: tuple[Sequence[Pattern], Sequence[Pattern]],
    *,
    new: bool,
) -> list[Tag]:
    """The tags that are chosen; with ``new``, those alone that the target doesn't have."""
    tags = fitting(context.stores.open(source).tags(), *patterns)
    context.listed(source, tags)
    if not new:
        return tags
    try:
        there = set(context.stores.open(target).tags())
    except NotFound:
        return tags
    return [tag for tag in tags if tag not in there]


def _copy(
    context: Context,
    source: Reference,
    target: Reference,
    *,
    include: Sequence[Pattern],
    exclude: Sequence[Pattern],
    newTags: bool,  # noqa: N803 - the option's name in scripts
    digestTags: bool,  # noqa: N803
    referrers: bool,
    reason: str,
) -> Passed:
    tags = _tags_to_copy(context, source, target, (include, exclude), new=newTags)
    context.emit(StepsAhead(context.script, "action", len(tags)))
    options = CopyOptions(digest_tags=digestTags, referrers=referrers)
    failures: dict[Tag, RegbotError] = {}

    def copy(tag: Tag) -> None:
        image, copied = source.with_tag(tag), target.with_tag(tag)
        action = CopyImage(image, copied, options, reason or context.last_message)
        try:
            context.executor.execute(action)
        except (Stopped, ScriptTimeout):
            raise
        except RegbotError as error:
            failures[tag] = error

    Crew(_AT_ONCE, context.stop).run(copy, tags)
    if failures:
        tag, error = min(failures.items())
        raise ScriptError(f"{len(failures)} of {len(tags)} tags failed, such as {tag}: {error}")
    return plain(tags)


BINDINGS = (
    Binding(
        name="repo.ls",
        doc="The names of a registry's repositories. Some registries don't list them, such as"
        " Docker Hub.",
        parameters=(Parameter("host", REGISTRY, "the registry, host[:port]"),),
        options=PAGE,
        run=_repositories,
        result="string[]",
    ),
    Binding(
        name="repo.copy",
        doc="Copy the images at all tags of a repository, or at some of them, and give these tags."
        " A tag that fails stops no other. What the target has already is not sent. Nothing is"
        " deleted at the target, but its tags may be moved.",
        parameters=(
            Parameter("src", REPOSITORY, "the repository"),
            Parameter("dst", REPOSITORY, "the target"),
        ),
        options=(
            *FILTERS,
            Parameter("newTags", BOOLEAN, "only tags that the target does not have", default=False),
            Parameter(
                "digestTags",
                BOOLEAN,
                "also copy tags named after the digests, such as sha256-<hex>.sig of a signature",
                default=False,
            ),
            Parameter("referrers", BOOLEAN, "also copy the referrers of images", default=False),
            Parameter("reason", STRING, "the reason, for the report", default=""),
        ),
        run=_copy,
        result="string[]",
        changes=True,
    ),
)
