"""Whole images: ``image.copy``, ``exportTar`` and ``importTar``, ``image.delete``."""

from __future__ import annotations

from dataclasses import replace

from regbot.image.options import CopyOptions
from regbot.image.resolve import image_of
from regbot.lua.api.context import Context
from regbot.lua.api.manifest import read_manifest
from regbot.lua.api.names import REFERENCE, TAGGED
from regbot.lua.api.objects import PLATFORM, PLATFORMS
from regbot.lua.binding import BOOLEAN, STRING, Binding, Parameter, Passed, plain
from regbot.oci.digest import Digest
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference
from regbot.plan.action import CopyImage, ExportTar, ImportTar
from regbot.workdir import file_in


def _copy(
    context: Context,
    source: Reference,
    target: Reference,
    *,
    platform: Platform | None,
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
    if platform:
        source = source.with_digest(_digest_for(context, source, platform))
    outcome = context.executor.execute(
        CopyImage(source, target, options, reason or context.last_message)
    )
    if outcome.digest:
        context.seen.saved(source, outcome.digest)
        context.seen.digest(target, outcome.digest)
    return plain(None)


def _digest_for(context: Context, reference: Reference, platform: Platform) -> Digest:
    """The digest of the image that an index has for a platform."""
    index = read_manifest(context, reference)
    return image_of(context.stores.open(reference), index, platform).digest


def _export(
    context: Context, reference: Reference, file: str, *, platform: Platform | None
) -> Passed:
    path = file_in(context.work_dir, file)
    if platform:
        reference = replace(reference, digest=_digest_for(context, reference, platform))
    outcome = context.executor.execute(ExportTar(reference, path, context.last_message))
    if outcome.digest:
        saved = reference.with_digest(outcome.digest) if platform else reference
        context.seen.saved(saved, outcome.digest)
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
    context.executor.remove(reference, children=children, referrers=referrers, reason=why)
    return plain(None)


def _switch(name: str, doc: str) -> Parameter:
    return Parameter(name, BOOLEAN, doc, default=False)


_FILE = Parameter("file", STRING, "the archive (for scripts, a file in workDir)")

BINDINGS = (
    Binding(
        name="image.copy",
        doc="Copy an image between registries, inside one, or from or to a layout folder"
        " (ocidir://). Content that the target has already is not sent. The tag is set last, so"
        " it never points to missing content.",
        parameters=(
            Parameter("src", REFERENCE, "the image"),
            Parameter("dst", REFERENCE, "the target"),
        ),
        options=(
            Parameter("platform", PLATFORM, "of an index, copy the image for this platform alone"),
            Parameter(
                "platforms",
                PLATFORMS,
                "copy an index with these platforms alone; not every registry takes that",
                default=(),
            ),
            _switch(
                "digestTags",
                "also copy tags named after the digest, such as sha256-<hex>.sig of a signature",
            ),
            _switch("referrers", "also copy the referrers of the image"),
            _switch("forceRecursive", "check all content, also if the target has the manifest"),
            _switch("includeExternal", "also copy layers that are stored elsewhere"),
            _switch("fastCheck", "do nothing if the target's tag is on the digest already"),
            Parameter("reason", STRING, "the reason, for the report", default=""),
        ),
        run=_copy,
        changes=True,
    ),
    Binding(
        name="image.exportTar",
        doc="Write an image to an archive that docker load, podman and skopeo can read. It is"
        " compressed if its name ends with .gz, .tgz or .zst.",
        parameters=(Parameter("ref", REFERENCE, "the image"), _FILE),
        options=(
            Parameter("platform", PLATFORM, "of an index, write the image for this platform alone"),
        ),
        run=_export,
        changes=True,
    ),
    Binding(
        name="image.importTar",
        doc="Copy the image of an archive to a reference. The archive may be compressed, and may"
        " come from docker save, skopeo or buildah.",
        parameters=(Parameter("ref", REFERENCE, "the target"), _FILE),
        run=_import,
        changes=True,
    ),
    Binding(
        name="image.delete",
        doc="Delete a tag. Then delete its manifest, unless another tag is on it. Then delete its"
        " children and referrers, if the options say so. Manifests that another image uses stay."
        " To find them, every manifest of the repository is read. If one can't be read, nothing is"
        " deleted. An interruption leaves no image broken. An image in use is skipped with a"
        " warning.",
        parameters=(Parameter("ref", TAGGED, "the tag, which must be given"),),
        options=(
            _switch("children", "also delete the manifests that an index lists"),
            _switch("referrers", "also delete the referrers, and tags named after the digest"),
            Parameter("reason", STRING, "the reason, for the report", default=""),
        ),
        run=_delete,
        changes=True,
    ),
)
