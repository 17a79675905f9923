"""``index.*``: indexes that are put together of other images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from regbot.errors import InvalidValue, NotFound
from regbot.image.options import CopyOptions
from regbot.lua.api.context import Context
from regbot.lua.api.manifest import read_head, read_manifest
from regbot.lua.api.names import REFERENCE
from regbot.lua.api.objects import PLATFORM, PLATFORMS
from regbot.lua.binding import (
    BOOLEAN,
    NAMED_STRINGS,
    STRING,
    STRINGS,
    Binding,
    Parameter,
    Passed,
    plain,
)
from regbot.oci.digest import Digest
from regbot.oci.manifest import (
    DOCKER_CONFIG,
    DOCKER_INDEX,
    INDEXES,
    OCI_CONFIG,
    OCI_INDEX,
    Descriptor,
    Manifest,
)
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import CopyImage, PutManifest
from regbot.values import dataclass

_PLATFORM_FIELDS = ("architecture", "os", "os.version", "os.features", "variant")
_CONFIGS = (OCI_CONFIG, DOCKER_CONFIG)


@dataclass(frozen=True, slots=True)
class _New:
    """What is to be listed, and how it is described. Names are those of the options."""

    refs: tuple[str, ...]
    digests: tuple[str, ...]
    platforms: tuple[Platform, ...]
    annotations: Mapping[str, str]
    platform: Platform | None
    options: CopyOptions


def _create(
    context: Context,
    target: Reference,
    *,
    mediaType: str,  # noqa: N803 - the option's name in scripts
    artifactType: str,  # noqa: N803
    annotations: Mapping[str, str],
    subject: str,
    byDigest: bool,  # noqa: N803
    **named: Any,  # noqa: ANN401 - the options of what is to be listed
) -> Passed:
    if mediaType not in INDEXES:
        raise InvalidValue(f"mediaType {mediaType!r} is not one of {', '.join(sorted(INDEXES))}")
    data: dict[str, Any] = {"schemaVersion": 2, "mediaType": mediaType}
    if artifactType:
        data["artifactType"] = artifactType
    data["manifests"] = _entries(context, target, _new(**named), kept=())
    if subject:
        data["subject"] = _subject(context, target, subject)
    if annotations:
        data["annotations"] = annotations
    return _put(context, target, data, by_digest=byDigest)


def _add(context: Context, target: Reference, **named: Any) -> Passed:  # noqa: ANN401
    index = _index_at(context, target)
    entries = _entries(context, target, _new(**named), kept=index.manifests)
    data = {**index.data, "mediaType": index.media_type, "manifests": entries}
    return _put(context, target, data)


def _remove(
    context: Context,
    target: Reference,
    *,
    digests: tuple[str, ...],
    platforms: tuple[Platform, ...],
) -> Passed:
    index = _index_at(context, target)
    gone = {Digest.parse(digest) for digest in digests}
    listed = {entry.digest for entry in index.manifests}
    if gone - listed:
        raise NotFound(f"it lists no {min(map(str, gone - listed))}")
    for platform in platforms:
        fitting = {entry.digest for entry in _fitting(index, (platform,))}
        if not fitting:
            raise NotFound(f"it lists nothing for {platform}")
        gone |= fitting
    left = [entry.to_json() for entry in index.manifests if entry.digest not in gone]
    data = {**index.data, "mediaType": index.media_type, "manifests": left}
    return _put(context, target, data)


def _new(
    *,
    refs: tuple[str, ...],
    digests: tuple[str, ...],
    platforms: tuple[Platform, ...],
    descAnnotations: Mapping[str, str],  # noqa: N803
    descPlatform: Platform | None,  # noqa: N803
    referrers: bool,
    digestTags: bool,  # noqa: N803
) -> _New:
    options = CopyOptions(referrers=referrers, digest_tags=digestTags)
    return _New(refs, digests, platforms, descAnnotations, descPlatform, options)


def _index_at(context: Context, target: Reference) -> Manifest:
    index = read_manifest(context, target)
    if not index.is_index:
        raise InvalidValue("it is no index")
    return index


def _put(
    context: Context, target: Reference, data: Mapping[str, Any], *, by_digest: bool = False
) -> Passed:
    """Store an index under the target's tag; by its digest if it is to be, or there is no tag."""
    index = Manifest.build(data)
    tag = None if by_digest else target.tag
    target = target.with_name(tag or index.digest)
    context.executor.execute(PutManifest(target, index, context.last_message))
    context.seen.digest(target, index.digest)
    return plain(str(index.digest))


def _entries(
    context: Context, target: Reference, new: _New, kept: Iterable[Descriptor]
) -> list[dict[str, Any]]:
    """All entries, each digest once; what is not in the target's repository is copied there."""
    entries = {entry.digest: entry.to_json() for entry in kept}
    for reference in map(Reference.parse, new.refs):
        for entry in _wanted(read_manifest(context, reference), new.platforms):
            image, copy = reference.with_digest(entry.digest), target.with_digest(entry.digest)
            action = CopyImage(image, copy, new.options, context.last_message)
            context.executor.execute(action)
            entries[entry.digest] = _described(context, image, entry, new)
    for digest in map(Digest.parse, new.digests):
        image = target.with_digest(digest)
        descriptor = read_head(context, image).descriptor
        entries[digest] = _described(context, image, descriptor, new)
    return list(entries.values())


def _wanted(manifest: Manifest, platforms: Sequence[Platform]) -> Sequence[Descriptor]:
    """A manifest as a whole, or of an index the images for these platforms."""
    if not (manifest.is_index and platforms):
        return (manifest.descriptor,)
    for platform in platforms:
        manifest.child_for(platform)
    return _fitting(manifest, platforms)


def _fitting(index: Manifest, platforms: Sequence[Platform]) -> list[Descriptor]:
    """The entries whose platform fits one of these."""
    return [
        entry
        for entry in index.manifests
        if entry.platform and any(entry.platform.fit(wanted) is not None for wanted in platforms)
    ]


def _described(
    context: Context, image: Reference, descriptor: Descriptor, new: _New
) -> dict[str, Any]:
    """The entry of an image: with its platform, if it has one, and annotations."""
    entry: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "digest": str(descriptor.digest),
        "size": descriptor.size,
    }
    platform = _platform_of(context, image, descriptor, new.platform)
    if platform:
        entry["platform"] = platform
    if new.annotations:
        entry["annotations"] = new.annotations
    return entry


def _platform_of(
    context: Context, image: Reference, descriptor: Descriptor, given: Platform | None
) -> Mapping[str, Any]:
    """The platform to be said of an image: the given one, that of its index, or of its config."""
    if given:
        fields = {"os.version": given.os_version, "variant": given.variant}
        return {
            "architecture": given.architecture,
            "os": given.os,
            **{name: value for name, value in fields.items() if value},
        }
    if isinstance(descriptor.data.get("platform"), dict):
        return dict(descriptor.data["platform"])
    store = context.stores.open(image)
    manifest = store.manifest(descriptor.digest)
    if manifest.config is None or manifest.config.media_type not in _CONFIGS:
        return {}
    config = store.config(manifest, limit=context.blob_limit).data
    return {name: config[name] for name in _PLATFORM_FIELDS if config.get(name)}


def _subject(context: Context, target: Reference, name: str) -> dict[str, Any]:
    """The descriptor of a manifest in the same repository, by its tag or digest."""
    named = target.with_name(Digest.parse(name) if ":" in name else Tag.parse(name))
    return read_head(context, named).descriptor.to_json()


_ENTRIES = (
    Parameter("refs", STRINGS, "images to list; they are copied to the repository", default=()),
    Parameter("digests", STRINGS, "manifests of the repository to list", default=()),
    Parameter("platforms", PLATFORMS, "of indexes, list these platforms alone", default=()),
    Parameter("descAnnotations", NAMED_STRINGS, "annotations of the new entries", default={}),
    Parameter("descPlatform", PLATFORM, "the platform of the new entries"),
    Parameter("referrers", BOOLEAN, "also copy the referrers of images", default=False),
    Parameter(
        "digestTags",
        BOOLEAN,
        "also copy tags named after the digests, such as sha256-<hex>.sig of a signature",
        default=False,
    ),
)

BINDINGS = (
    Binding(
        name="index.create",
        doc="Make an index, store it under a tag or digest, and give its digest. It lists images"
        " that are copied to its repository, and manifests that are there.",
        parameters=(Parameter("ref", REFERENCE, "the target"),),
        options=(
            *_ENTRIES,
            Parameter("annotations", NAMED_STRINGS, "annotations of the index", default={}),
            Parameter("artifactType", STRING, "its artifact type", default=""),
            Parameter(
                "mediaType",
                STRING,
                f"its media type, also {DOCKER_INDEX}. Default: {OCI_INDEX}",
                default=OCI_INDEX,
            ),
            Parameter("subject", STRING, "the tag or digest that it refers to", default=""),
            Parameter("byDigest", BOOLEAN, "store it by its digest, without a tag", default=False),
        ),
        run=_create,
        result="string",
        changes=True,
    ),
    Binding(
        name="index.add",
        doc="Add images to an index, and give its new digest. The tag is moved to it; an index that"
        " is named by its digest stays, and there is a new one. Images are copied to the"
        " repository, if they are not there.",
        parameters=(Parameter("ref", REFERENCE, "the index"),),
        options=_ENTRIES,
        run=_add,
        result="string",
        changes=True,
    ),
    Binding(
        name="index.remove",
        doc="Take entries out of an index, and give its new digest. The tag is moved to it; an"
        " index that is named by its digest stays, and there is a new one. The manifests"
        " themselves are not deleted.",
        parameters=(Parameter("ref", REFERENCE, "the index"),),
        options=(
            Parameter("digests", STRINGS, "entries with these digests", default=()),
            Parameter("platforms", PLATFORMS, "entries for these platforms", default=()),
        ),
        run=_remove,
        result="string",
        changes=True,
    ),
)
