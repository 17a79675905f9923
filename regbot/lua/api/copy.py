"""Whole images: ``image.copy``, ``exportTar`` and ``importTar``, ``image.delete``."""

from __future__ import annotations

from regbot.image.copy import CopyOptions
from regbot.lua.api.context import Context
from regbot.lua.api.names import REFERENCE, TAGGED
from regbot.lua.api.objects import PLATFORMS
from regbot.lua.binding import BOOLEAN, STRING, Binding, Parameter, Passed, plain
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference
from regbot.plan.action import CopyImage, ExportTar, ImportTar
from regbot.plan.executor import NOT_AFTER_A_SKIPPED_STEP
from regbot.workdir import file_in


def _copy(
    context: Context,
    source: Reference,
    target: Reference,
    *,
    platforms: tuple[Platform, ...],
    digestTags: bool,  # noqa: N803 - the option's name in scripts
    referrers: bool,
    forceRecursive: bool,  # noqa: N803
    includeExternal: bool,  # noqa: N803
    fastCheck: bool,  # noqa: N803
    reason: str,
) -> Passed:
    options = CopyOptions(
        platforms=platforms,
        digest_tags=digestTags,
        referrers=referrers,
        force_recursive=forceRecursive,
        include_external=includeExternal,
        fast_check=fastCheck,
    )
    outcome = context.executor.execute(
        CopyImage(source, target, options, reason or context.last_message)
    )
    if outcome.digest:
        context.seen.digest(target, outcome.digest)
    return plain(None)


def _export(context: Context, reference: Reference, file: str) -> Passed:
    path = file_in(context.work_dir, file)
    context.executor.execute(ExportTar(reference, path, context.last_message))
    return plain(None)


def _import(context: Context, reference: Reference, file: str) -> Passed:
    path = file_in(context.work_dir, file)
    outcome = context.executor.execute(ImportTar(reference, path, context.last_message))
    if outcome.digest:
        context.seen.digest(reference, outcome.digest)
    return plain(None)


def _delete(
    context: Context, reference: Reference, *, children: bool, referrers: bool, reason: str
) -> Passed:
    why = reason or context.last_message
    steps = context.executor.removal(reference, children=children, referrers=referrers, reason=why)
    skipped = False
    for action in steps:
        if skipped:
            context.executor.skip(action, NOT_AFTER_A_SKIPPED_STEP)
        else:
            skipped = context.executor.execute(action).status == "skipped"
    return plain(None)


def _switch(name: str, doc: str) -> Parameter:
    return Parameter(name, BOOLEAN, doc, default=False)


_FILE = Parameter("file", STRING, "the archive; it has to be in workDir")

BINDINGS = (
    Binding(
        name="image.copy",
        doc="Copy an image with all it consists of: between registries, within one (where no"
        " content is moved), to and from ocidir://. What the target has is not sent. The tag is"
        " put last, so an interrupted copy leaves none that points at missing content.",
        parameters=(
            Parameter("src", REFERENCE, "the image"),
            Parameter("dst", REFERENCE, "where to"),
        ),
        options=(
            Parameter("platforms", PLATFORMS, "only these of an index", default=()),
            _switch("digestTags", "also tags named after the digest, such as signatures"),
            _switch("referrers", "also what refers to the image by its subject"),
            _switch("forceRecursive", "look at all content though the target has the manifest"),
            _switch("includeExternal", "also layers that are kept elsewhere"),
            _switch("fastCheck", "do nothing when the tag has the digest already"),
            Parameter("reason", STRING, "why, for the report", default=""),
        ),
        run=_copy,
        changes=True,
    ),
    Binding(
        name="image.exportTar",
        doc="Write an image to an archive that docker load, podman and skopeo read. Compressed"
        " when the name ends with .gz, .tgz or .zst.",
        parameters=(Parameter("ref", REFERENCE, "the image"), _FILE),
        run=_export,
        changes=True,
    ),
    Binding(
        name="image.importTar",
        doc="Copy the image of an archive, as docker save, skopeo or buildah write it, plain or"
        " compressed, to a reference.",
        parameters=(Parameter("ref", REFERENCE, "where to"), _FILE),
        run=_import,
        changes=True,
    ),
    Binding(
        name="image.delete",
        doc="Delete a tag, then its manifest when no other tag is on it, then what only that one"
        " needed, in an order that an interruption leaves sound. What anything kept uses stays;"
        " where that can't be read, nothing is deleted. Every tag of the repository is looked at.",
        parameters=(Parameter("ref", TAGGED, "the tag; it has to be named"),),
        options=(
            _switch("children", "also the manifests of an index"),
            _switch("referrers", "also what refers to what is deleted, and tags named after it"),
            Parameter("reason", STRING, "why, for the report", default=""),
        ),
        run=_delete,
        changes=True,
    ),
)
