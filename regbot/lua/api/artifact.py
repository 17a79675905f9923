"""``artifact.*``: files in a registry, such as charts, SBOMs and signatures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from regbot.errors import InvalidValue, NotFound
from regbot.image.facts import CREATED
from regbot.image.resolve import image_of
from regbot.lua.api.blob import CONTENT, Held, chunks_of
from regbot.lua.api.context import Context
from regbot.lua.api.manifest import read_head, read_manifest
from regbot.lua.api.names import REFERENCE
from regbot.lua.api.objects import FOR_PLATFORM
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
from regbot.oci.manifest import OCI_MANIFEST, Descriptor, Manifest
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference
from regbot.plan.action import PutBlob, PutManifest
from regbot.store.protocol import Chunks
from regbot.workdir import file_in

EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
"""The media type of a config that says nothing (image spec, "Guidance for an Empty Descriptor")."""
TITLE = "org.opencontainers.image.title"
"""The annotation with the name of a file (image spec, "Pre-Defined Annotation Keys")."""

_UNKNOWN_TYPE = "application/octet-stream"
_CHUNK = 1024 * 1024


def _put(
    context: Context,
    reference: Reference | None,
    content: Held | None,
    *,
    artifactType: str,  # noqa: N803 - the option's name in scripts
    files: Sequence[str],
    fileMediaTypes: Sequence[str],  # noqa: N803
    fileTitle: bool,  # noqa: N803
    configFile: str,  # noqa: N803
    configType: str,  # noqa: N803
    annotations: Mapping[str, str],
    subject: Reference | None,
    platform: Platform | None,
    byDigest: bool,  # noqa: N803
) -> Passed:
    target = reference or subject
    if target is None:
        raise InvalidValue("a reference is needed, or the option subject")
    if not files and content is None:
        raise InvalidValue("content is needed, or the option files")
    config_type = configType or (artifactType if configFile else EMPTY_TYPE)
    if config_type == EMPTY_TYPE and not artifactType:
        raise InvalidValue(
            "the artifact type is missing (name it by artifactType, at the prompt by"
            " --artifact-type; or name the type of a config)"
        )
    types = _types(len(files) or 1, fileMediaTypes, artifactType)
    data: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_MANIFEST}
    if artifactType:
        data["artifactType"] = artifactType
    data["config"] = _config(context, target, configFile, config_type)
    data["layers"] = _layers(context, target, content, files, types, titled=fileTitle)
    if subject:
        data["subject"] = _described(context, subject, platform)
    if annotations:
        data["annotations"] = annotations
    manifest = Manifest.build(data)
    target = target.with_digest(manifest.digest) if byDigest or not reference else target
    context.executor.execute(PutManifest(target, manifest, context.last_message))
    context.seen.digest(target, manifest.digest)
    return plain(str(manifest.digest))


def _types(count: int, given: Sequence[str], artifact_type: str) -> Sequence[str]:
    """The media type of each file."""
    if not given:
        return [artifact_type or _UNKNOWN_TYPE if count == 1 else _UNKNOWN_TYPE] * count
    if len(given) != count:
        raise InvalidValue(f"there are {count} files, and {len(given)} in fileMediaTypes")
    return given


def _config(context: Context, target: Reference, file: str, media_type: str) -> dict[str, Any]:
    if file:
        return _stored(context, target, *_of_file(file_in(context.work_dir, file)), media_type)
    raw = b"{}"
    return _stored(context, target, Digest.of(raw), len(raw), lambda: (raw,), media_type)


def _layers(
    context: Context,
    target: Reference,
    content: Held | None,
    files: Sequence[str],
    types: Sequence[str],
    *,
    titled: bool,
) -> list[dict[str, Any]]:
    """The descriptors of what was stored: of each file, or of the content."""
    if not files and content is not None:
        return [_stored(context, target, *chunks_of(context, content), types[0])]
    layers = []
    for name, media_type in zip(files, types, strict=True):
        path = file_in(context.work_dir, name)
        layer = _stored(context, target, *_of_file(path), media_type)
        layers.append({**layer, "annotations": {TITLE: path.name}} if titled else layer)
    return layers


def _stored(
    context: Context,
    target: Reference,
    digest: Digest,
    size: int,
    chunks: Chunks,
    media_type: str,
) -> dict[str, Any]:
    blob = PutBlob(target.without_name, digest, size, chunks, context.last_message)
    context.executor.execute(blob)
    return Descriptor(media_type, digest, size).to_json()


def _of_file(path: Path) -> tuple[Digest, int, Chunks]:
    """Digest and size of a file, and what reads it. Raises InvalidValue."""

    def chunks() -> Iterator[bytes]:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk

    hasher, size = hashlib.sha256(), 0
    try:
        for chunk in chunks():
            hasher.update(chunk)
            size += len(chunk)
    except OSError as error:
        raise InvalidValue(f"{path}: can't be read: {error.strerror}") from None
    return Digest.parse(f"sha256:{hasher.hexdigest()}"), size, chunks


def _described(context: Context, subject: Reference, platform: Platform | None) -> dict[str, Any]:
    if platform is None:
        return read_head(context, subject).descriptor.to_json()
    index = read_manifest(context, subject)
    return image_of(context.stores.open(subject), index, platform).descriptor.to_json()


def _get(
    context: Context,
    reference: Reference | None,
    *,
    subject: Reference | None,
    platform: Platform | None,
    artifactType: str,  # noqa: N803 - the option's name in scripts
    latest: bool,
    titles: Sequence[str],
    fileMediaTypes: Sequence[str],  # noqa: N803
    config: bool,
) -> Passed:
    if reference is None:
        if subject is None:
            raise InvalidValue("a reference is needed, or the option subject")
        reference = _referrer(context, subject, platform, artifactType, latest=latest)
    manifest = image_of(context.stores.open(reference), read_manifest(context, reference), platform)
    if config and manifest.config:
        return Passed("[]Descriptor", [manifest.config.to_json()])
    layers = [
        layer.to_json()
        for layer in manifest.layers
        if (not titles or layer.annotations.get(TITLE) in titles)
        and (not fileMediaTypes or layer.media_type in fileMediaTypes)
    ]
    if not layers:
        names = (layer.annotations.get(TITLE) or layer.media_type for layer in manifest.layers)
        raise NotFound(f"{reference} has no such file (it has: {', '.join(names) or 'none'})")
    return Passed("[]Descriptor", layers)


def _referrer(
    context: Context,
    subject: Reference,
    platform: Platform | None,
    artifact_type: str,
    *,
    latest: bool,
) -> Reference:
    """What refers to a subject: the first, or the latest by its annotation."""
    digest = Digest.parse(_described(context, subject, platform)["digest"])
    referrers = context.stores.open(subject).referrers(digest, artifact_type)
    if not referrers:
        raise NotFound(f"{subject}: nothing refers to it")
    if latest:
        referrers.sort(key=lambda entry: entry.annotations.get(CREATED, ""), reverse=True)
    return subject.with_digest(referrers[0].digest)


_PLATFORM = replace(FOR_PLATFORM, optional=False)

BINDINGS = (
    Binding(
        name="artifact.put",
        doc="Store files as an artifact, and give its digest. Its content is a string, a blob, or"
        " the files that the options name.",
        parameters=(
            Parameter("ref", REFERENCE, "the target. Default: beside the subject", optional=True),
            Parameter("content", CONTENT, "the content, if it is no file", optional=True),
        ),
        options=(
            Parameter("artifactType", STRING, "what it is, as a media type", default=""),
            Parameter("files", STRINGS, "the files (for scripts, files in workDir)", default=()),
            Parameter("fileMediaTypes", STRINGS, "the media type of each file", default=()),
            Parameter("fileTitle", BOOLEAN, "say the names of the files", default=False),
            Parameter("configFile", STRING, "a file to be its config", default=""),
            Parameter("configType", STRING, "the media type of its config", default=""),
            Parameter("annotations", NAMED_STRINGS, "its annotations", default={}),
            Parameter("subject", REFERENCE, "the image that it refers to"),
            _PLATFORM,
            Parameter("byDigest", BOOLEAN, "store it by its digest, without a tag", default=False),
        ),
        run=_put,
        result="string",
        changes=True,
    ),
    Binding(
        name="artifact.get",
        doc="The descriptors of the files of an artifact; blob.get gives their content. With"
        " subject, it is an artifact that refers to this image.",
        parameters=(Parameter("ref", REFERENCE, "the artifact", optional=True),),
        options=(
            Parameter("subject", REFERENCE, "the image that the artifact refers to"),
            _PLATFORM,
            Parameter("artifactType", STRING, "only an artifact of this type", default=""),
            Parameter("latest", BOOLEAN, "the latest of several, by its annotation", default=False),
            Parameter("titles", STRINGS, "only files of these names", default=()),
            Parameter("fileMediaTypes", STRINGS, "only files of these types", default=()),
            Parameter("config", BOOLEAN, "the config in place of the files", default=False),
        ),
        run=_get,
        result="regbot.DescriptorFields[]",
    ),
)
