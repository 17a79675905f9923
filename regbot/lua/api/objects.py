"""Manifests and configs of scripts on their way in and out, and the types that take them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from regbot.errors import InvalidValue
from regbot.lua.api.names import NAMED, read_reference
from regbot.lua.binding import Parameter, Passed, Type, describe
from regbot.lua.wire import to_bytes, to_text
from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor, Head, ImageConfig, Manifest, RateLimit, encode
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class HeldManifest:
    """A manifest, or what a HEAD told of it, and the reference it came from."""

    reference: Reference
    head: Head
    manifest: Manifest | None


@dataclass(frozen=True, slots=True)
class HeldConfig:
    """An image config, the reference it was read by, and the manifest it belongs to."""

    reference: Reference
    image: Digest
    config: ImageConfig


def give_manifest(reference: Reference, manifest: Manifest) -> Passed:
    """A manifest for the script, with its exact bytes."""
    fields = _head_fields(reference, manifest)
    return Passed(
        "manifest",
        {**fields, "raw": to_text(manifest.raw), "shape": manifest_shape(manifest)},
        manifest,
    )


def give_head(reference: Reference, head: Head) -> Passed:
    """A manifest without body for the script; it reads like its descriptor."""
    fields = _head_fields(reference, head)
    body = to_text(encode(head.descriptor.to_json()))
    return Passed("manifest", {**fields, "raw": body, "shape": "Descriptor", "bodyless": True})


def give_config(held: HeldConfig) -> Passed:
    """An image config for the script, with its exact bytes."""
    config = held.config
    fields = {
        "reference": str(held.reference),
        "image": str(held.image),
        "raw": to_text(config.raw),
        "shape": "Image",
        "mediaType": config.descriptor.media_type,
        "digest": str(config.descriptor.digest),
    }
    return Passed("config", fields, config)


def give_descriptor(descriptor: Descriptor) -> Passed:
    """A descriptor for the script, as a table."""
    return Passed("Descriptor", descriptor.to_json())


def manifest_shape(manifest: Manifest) -> str:
    """The name of the shape that a manifest's JSON has."""
    if manifest.is_index:
        return "Index"
    return "Schema1" if manifest.data.get("schemaVersion") == 1 else "Manifest"


def _head_fields(reference: Reference, head: Head | Manifest) -> dict[str, Any]:
    rate = head.rate_limit
    return {
        "reference": str(reference),
        "mediaType": head.media_type,
        "digest": str(head.digest),
        "size": head.size,
        "rate": {
            "limit": rate.limit,
            "remaining": rate.remaining,
            "reset": rate.reset,
            "policies": list(rate.policies),
        },
    }


def _read_manifest(passed: Passed) -> HeldManifest | None:
    if passed.kind != "manifest":
        return None
    fields = passed.value
    rate = fields["rate"]
    limit = RateLimit(
        rate.get("limit"),
        rate.get("remaining"),
        rate.get("reset"),
        tuple(rate.get("policies") or ()),
    )
    digest = Digest.parse(fields["digest"])
    manifest = passed.document
    if manifest is None and "raw" in fields and not fields.get("bodyless"):
        manifest = Manifest.parse(
            to_bytes(fields["raw"]),
            fields["mediaType"],
            algorithm=digest.algorithm,
            rate_limit=limit,
        )
    head = Head(fields["mediaType"], digest, fields["size"], limit)
    return HeldManifest(Reference.parse(fields["reference"]), head, manifest)


def _read_full_manifest(passed: Passed) -> HeldManifest:
    held = _read_manifest(passed)
    if held is None or held.manifest is None:
        what = "a manifest without body" if held else describe(passed)
        raise InvalidValue(f"expected a manifest, got {what}")
    return held


def read_config_object(passed: Passed) -> HeldConfig:
    """The config that a script hands over. Raises InvalidValue."""
    if passed.kind != "config":
        raise InvalidValue(f"expected a config, got {describe(passed)}")
    fields = passed.value
    config = passed.document
    if config is None:
        raw = to_bytes(fields["raw"])
        descriptor = Descriptor(fields["mediaType"], Digest.of(raw), len(raw))
        config = ImageConfig.parse(raw, descriptor)
    return HeldConfig(Reference.parse(fields["reference"]), Digest.parse(fields["image"]), config)


def _read_manifest_or_reference(passed: Passed) -> HeldManifest | Reference:
    return _read_manifest(passed) or read_reference(passed)


def _read_source(passed: Passed) -> HeldManifest | HeldConfig | Reference:
    if passed.kind == "config":
        return read_config_object(passed)
    return _read_manifest_or_reference(passed)


def _read_platform(passed: Passed) -> Platform:
    if passed.kind or not isinstance(passed.value, str):
        raise InvalidValue(f"expected a platform such as linux/amd64, got {describe(passed)}")
    return Platform.parse(passed.value)


def _read_platforms(passed: Passed) -> tuple[Platform, ...]:
    if isinstance(passed.value, str) and not passed.kind:
        return (_read_platform(passed),)
    values = [] if passed.value == {} else passed.value
    if passed.kind or not isinstance(values, list):
        raise InvalidValue(f"expected an array of platforms, got {describe(passed)}")
    return tuple(_read_platform(Passed("", value)) for value in values)


def _reference_of(value: HeldManifest | HeldConfig | Reference) -> str:
    return str(value if isinstance(value, Reference) else value.reference)


def _document_type(name: str, read: Callable[[Passed], Any], lua: str) -> Type:
    return Type(name, read, lua, limit=None, subject=_reference_of)


FULL_MANIFEST = _document_type("manifest", _read_full_manifest, "regbot.Manifest")
CONFIG = _document_type("config", read_config_object, "regbot.Config")
MANIFEST_HEAD = Type(
    "manifest or reference", _read_manifest_or_reference, NAMED, subject=_reference_of
)
"""For what needs no more of a manifest than its digest, type and size."""
MANIFEST = _document_type("manifest or reference", _read_manifest_or_reference, NAMED)
SOURCE = _document_type("manifest, config or reference", _read_source, NAMED)
PLATFORM = Type("platform", _read_platform, "string")
FOR_PLATFORM = Parameter(
    "platform",
    PLATFORM,
    "of an index, the image for this platform, such as linux/arm64",
    optional=True,
)
PLATFORMS = Type("array of platforms", _read_platforms, "string[]")
