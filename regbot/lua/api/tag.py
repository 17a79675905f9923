"""``tag.*``: the tags of a repository, listed and deleted."""

from __future__ import annotations

from collections.abc import Sequence

from regbot.lua.api.context import Context
from regbot.lua.api.manifest import read_manifest
from regbot.lua.api.names import REFERENCE, REPOSITORY, TAGGED
from regbot.lua.api.repo import PAGE, fitting
from regbot.lua.binding import BOOLEAN, STRING, Binding, Parameter, Passed, plain
from regbot.oci.patterns import Pattern
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import DeleteTag, PutManifest


def _list(
    context: Context,
    repository: Reference,
    *,
    limit: int | None,
    last: str,
    include: Sequence[Pattern],
    exclude: Sequence[Pattern],
) -> Passed:
    listed = context.stores.open(repository).tags(limit=limit, last=last)
    tags = fitting(listed, include, exclude)
    context.listed(repository, tags)
    return plain(tags)


def _delete(
    context: Context,
    reference: Reference,
    *,
    ignoreMissing: bool,  # noqa: N803 - the option's name in scripts
    reason: str,
) -> Passed:
    context.executor.begin(
        DeleteTag(
            reference=reference,
            reason=reason or context.last_message,
            digest=reference.digest or context.seen.digest_of(reference),
            may_be_gone=ignoreMissing or context.seen.was_listed(reference),
        )
    )
    return plain(None)


def _add(context: Context, reference: Reference, name: str) -> Passed:
    manifest = read_manifest(context, reference)
    target = reference.with_tag(Tag.parse(name))
    context.executor.execute(PutManifest(target, manifest, context.last_message))
    context.seen.digest(target, manifest.digest)
    return plain(str(manifest.digest))


BINDINGS = (
    Binding(
        name="tag.ls",
        doc="The tags of a repository: all of them, unless limit is given.",
        parameters=(Parameter("repo", REPOSITORY, "the repository; a tag in it is ignored"),),
        options=PAGE,
        run=_list,
        result="string[]",
    ),
    Binding(
        name="tag.delete",
        doc="Delete one tag. Other tags of the same digest stay. Two kinds of tags are skipped with"
        " a warning: a tag that moved after the script looked at it, copied it or exported it, and"
        " a tag in use. If the registry refuses the delete, the tag stays as it was, and there is"
        " an error.",
        parameters=(Parameter("ref", TAGGED, "the tag, which must be given"),),
        options=(
            Parameter(
                "ignoreMissing", BOOLEAN, "a tag that isn't there is no error", default=False
            ),
            Parameter(
                "reason",
                STRING,
                "the reason, for the report. Default: the script's latest log line",
                default="",
            ),
        ),
        run=_delete,
        changes=True,
    ),
    Binding(
        name="tag.add",
        doc="Set another tag of the same repository to the manifest that a reference names, and"
        " give its digest. If the tag is there already, it is moved.",
        parameters=(
            Parameter("ref", REFERENCE, "the image"),
            Parameter("tag", STRING, "the other tag"),
        ),
        run=_add,
        result="string",
        changes=True,
    ),
)
