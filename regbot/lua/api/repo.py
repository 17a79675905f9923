"""``repo.*`` and ``tag.*``: what there is, and taking tags away."""

from __future__ import annotations

from regbot.lua.api.context import Context
from regbot.lua.api.names import REGISTRY, REPOSITORY, TAGGED
from regbot.lua.binding import COUNT, STRING, Binding, Parameter, Passed, plain
from regbot.oci.reference import Reference
from regbot.plan.action import DeleteTag

_PAGE = (
    Parameter("limit", COUNT, "the maximum number of names"),
    Parameter("last", STRING, "list only names after this one", default=""),
)


def _repositories(context: Context, registry: str, *, limit: int | None, last: str) -> Passed:
    return plain(context.stores.repositories(registry, limit=limit, last=last))


def _tags(context: Context, repository: Reference, *, limit: int | None, last: str) -> Passed:
    tags = context.stores.open(repository).tags(limit=limit, last=last)
    context.seen.tags(repository, tags)
    return plain(tags)


def _delete_tag(context: Context, reference: Reference, *, reason: str) -> Passed:
    context.executor.execute(
        DeleteTag(
            reference=reference,
            reason=reason or context.last_message,
            digest=reference.digest or context.seen.digest_of(reference),
            may_be_gone=context.seen.was_listed(reference),
        )
    )
    return plain(None)


BINDINGS = (
    Binding(
        name="repo.ls",
        doc="The names of a registry's repositories. Some registries don't list them, such as"
        " Docker Hub.",
        parameters=(Parameter("host", REGISTRY, "the registry, host[:port]"),),
        options=_PAGE,
        run=_repositories,
        result="string[]",
    ),
    Binding(
        name="tag.ls",
        doc="The tags of a repository, all of them unless limit is given.",
        parameters=(Parameter("repo", REPOSITORY, "the repository; a tag in it is ignored"),),
        options=_PAGE,
        run=_tags,
        result="string[]",
    ),
    Binding(
        name="tag.delete",
        doc="Delete one tag. Other tags of the digest stay. A tag that moved since the script"
        " looked at it is skipped with a warning. When the registry refuses, the tag stays as it"
        " was, and an error is raised.",
        parameters=(Parameter("ref", TAGGED, "the tag, which must be given"),),
        options=(
            Parameter(
                "reason",
                STRING,
                "the reason, for the report; by default the script's latest log line",
                default="",
            ),
        ),
        run=_delete_tag,
        changes=True,
    ),
)
