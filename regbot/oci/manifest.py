"""Manifests, indexes, descriptors and image configs, with the exact bytes kept.

OCI image spec, "Image Manifest", "Image Index", "Descriptor", "Image
Configuration"; docker's schema 2 has the same shape. Schema 1 is readable only.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from regbot.errors import ContentError, DigestMismatch, InvalidValue, Malformed, NotFound
from regbot.oci.digest import Digest
from regbot.oci.platform import Platform
from regbot.values import dataclass

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"

INDEXES = frozenset({OCI_INDEX, DOCKER_INDEX})
IMAGES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
SCHEMA1 = frozenset({DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED})
MEDIA_TYPES = (OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST, *sorted(SCHEMA1))
"""What a client says it accepts, the wanted ones first."""
_KNOWN = frozenset(MEDIA_TYPES)

MEBIBYTE = 1024 * 1024
DEFAULT_BLOB_LIMIT = 4 * MEBIBYTE
"""Bytes a manifest or config may have (distribution spec asks registries for 4 MiB)."""

SIZE_LIMIT = 2**63
"""Sizes are below it: int64 wherever content is described (image spec, "Descriptor")."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What content is and how to check it. ``data`` is the JSON object it came as."""

    media_type: str
    digest: Digest
    size: int
    data: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_json(cls, data: object) -> Descriptor:
        """Read a descriptor object. Raises Malformed."""
        if not isinstance(data, dict):
            raise Malformed("a descriptor is not a JSON object")
        digest, size = data.get("digest"), data.get("size")
        media_type = data.get("mediaType", "")
        if not isinstance(digest, str) or not isinstance(media_type, str):
            raise Malformed("a descriptor has no digest or media type")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < SIZE_LIMIT:
            raise Malformed(f"the descriptor of {digest} has no size, or one that can't be")
        try:
            return cls(media_type, Digest.parse(digest), size, data)
        except InvalidValue as error:
            raise Malformed(str(error)) from None

    def __repr__(self) -> str:
        platform = f" {self.platform}" if self.platform else ""
        return f"<Descriptor {self.digest} {self.media_type} {self.size} bytes{platform}>"

    def to_json(self) -> dict[str, Any]:
        """The JSON object, with the fields beside the three kept."""
        three: dict[str, Any] = {"digest": str(self.digest), "size": self.size}
        if self.media_type:
            three = {"mediaType": self.media_type, **three}
        return {**self.data, **three}

    @property
    def platform(self) -> Platform | None:
        """The platform said, or None."""
        data = self.data.get("platform")
        return Platform.from_json(data) if isinstance(data, dict) else None

    @property
    def artifact_type(self) -> str:
        """The ``artifactType`` said, or empty."""
        value = self.data.get("artifactType")
        return value if isinstance(value, str) else ""

    @property
    def annotations(self) -> dict[str, str]:
        """Annotations with text values; others are left out."""
        return _texts(self.data.get("annotations"))


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What a registry last said of its pull limit; None where it said nothing.

    ``reset`` is in seconds; ``policies`` are the raw ``limit;w=seconds`` parts.
    """

    limit: int | None = None
    remaining: int | None = None
    reset: int | None = None
    policies: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether the registry said how many pulls remain."""
        return self.remaining is not None


@dataclass(frozen=True, slots=True)
class Head:
    """What a HEAD of a manifest tells."""

    media_type: str
    digest: Digest
    size: int
    rate_limit: RateLimit = RateLimit()

    @property
    def descriptor(self) -> Descriptor:
        """The same as a descriptor."""
        return Descriptor(self.media_type, self.digest, self.size)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or index: the exact bytes, and what they mean.

    ``manifests`` are the children of an index, ``layers`` those of an image, the lowest
    first. ``subject`` is what it refers to, if anything. Schema 1 has none of these, and
    no ``config``. Two are equal when bytes and media type are.
    """

    raw: bytes = field(repr=False)
    media_type: str
    digest: Digest
    data: Mapping[str, Any] = field(compare=False, repr=False)
    rate_limit: RateLimit = field(default=RateLimit(), compare=False, repr=False)
    manifests: tuple[Descriptor, ...] = field(default=(), compare=False, repr=False)
    layers: tuple[Descriptor, ...] = field(default=(), compare=False, repr=False)
    config: Descriptor | None = field(default=None, compare=False, repr=False)
    subject: Descriptor | None = field(default=None, compare=False, repr=False)

    @classmethod
    def parse(
        cls,
        raw: bytes,
        media_type: str = "",
        *,
        algorithm: str = "sha256",
        rate_limit: RateLimit = RateLimit(),
    ) -> Manifest:
        """Understand the bytes of a manifest.

        ``media_type`` is what the store said; generic or missing, the body's own
        field or its shape decides. Raises Malformed unless it is one thing only and every
        descriptor can be read: bytes that one client takes for an image and another for an
        index would pass as both (image spec, "Image Manifest" > security considerations).
        """
        data = parse_object(raw, "the manifest")
        media_type = _media_type(media_type, data)
        if media_type in SCHEMA1:
            payload = _signed_payload(raw, data)
            data = parse_object(payload, "the manifest")
            return cls(raw, media_type, Digest.of(payload, algorithm), data, rate_limit)
        is_index = media_type in INDEXES
        manifests = _descriptors(data, "manifests") if is_index else ()
        config = None if is_index else _descriptor(data, "config")
        layers = () if is_index else _descriptors(data, "layers")
        subject = _descriptor(data, "subject")
        if is_index and (data.get("config") or data.get("layers") or "manifests" not in data):
            raise Malformed("an index has no 'manifests', or has the fields of an image")
        if media_type in IMAGES and (data.get("manifests") or config is None):
            raise Malformed("an image manifest has no 'config', or has the fields of an index")
        digest = Digest.of(raw, algorithm)
        return cls(raw, media_type, digest, data, rate_limit, manifests, layers, config, subject)

    @classmethod
    def checked(cls, raw: bytes, digest: Digest, media_type: str = "", *, what: str) -> Manifest:
        """Understand the bytes that a digest stands for; ``what`` names them in errors.

        Raises DigestMismatch when they are others, and Malformed.
        """
        if media_type not in SCHEMA1:  # whose digest is not of all the bytes
            digest.check(raw, what)
        manifest = cls.parse(raw, media_type, algorithm=digest.algorithm)
        if manifest.digest != digest:
            raise DigestMismatch(f"{what}: digest is {manifest.digest}, expected {digest}")
        return manifest

    @classmethod
    def build(cls, data: Mapping[str, Any]) -> Manifest:
        """A new manifest from a JSON object that holds its ``mediaType``."""
        return cls.parse(encode(data))

    def __repr__(self) -> str:
        counted, name = (self.manifests, "children") if self.is_index else (self.layers, "layers")
        return f"<Manifest {self.digest} {self.media_type} {len(counted)} {name}>"

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        """A descriptor of this manifest."""
        return Descriptor(self.media_type, self.digest, self.size)

    @property
    def is_index(self) -> bool:
        """Whether it lists other manifests."""
        return self.media_type in INDEXES

    @property
    def artifact_type(self) -> str:
        """``artifactType``, else the config's media type (image spec, "artifact usage")."""
        value = self.data.get("artifactType")
        if isinstance(value, str) and value:
            return value
        return self.config.media_type if self.config else ""

    @property
    def annotations(self) -> dict[str, str]:
        """Annotations with text values; others are left out."""
        return _texts(self.data.get("annotations"))

    def child_for(self, wanted: Platform | None) -> Descriptor:
        """The child of an index that suits a platform best.

        Without ``wanted``, the local platform, and when that is missing the one
        image there is. Raises NotFound that lists what there is.
        """
        images = [(child, child.platform) for child in self.manifests]
        known = [
            (child, platform)
            for child, platform in images
            if platform and platform.architecture not in ("", "unknown")
        ]
        target = wanted or Platform.local()
        fitting = [
            (fit, child) for child, platform in known if (fit := platform.fit(target)) is not None
        ]
        if fitting:
            return max(fitting, key=lambda entry: entry[0])[1]
        if wanted is None and len({platform for _, platform in known}) == 1:
            return known[0][0]
        if wanted is None and not known and len(images) == 1:
            return images[0][0]
        there = ", ".join(str(platform) for _, platform in known) or "none"
        raise NotFound(f"no image for platform {target} in the index (there: {there})")


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The config blob of an image: the exact bytes and the JSON object."""

    raw: bytes = field(repr=False)
    descriptor: Descriptor
    data: Mapping[str, Any] = field(compare=False, repr=False)

    @classmethod
    def parse(cls, raw: bytes, descriptor: Descriptor) -> ImageConfig:
        """Understand the bytes of a config. Raises Malformed."""
        return cls(raw, descriptor, parse_object(raw, f"config {descriptor.digest}"))


def parse_object(raw: bytes, what: str) -> dict[str, Any]:
    """The JSON object the bytes hold. Raises Malformed that says what they are instead."""
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        raise Malformed(f"{what} is not JSON but {_glimpse(raw)}") from None
    if not isinstance(data, dict):
        raise Malformed(f"{what} is not a JSON object")
    return data


def encode(data: Mapping[str, Any]) -> bytes:
    """Compact JSON in UTF-8; escaped where a text holds half a surrogate pair."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(data, separators=(",", ":")).encode()


def _descriptor(data: Mapping[str, Any], key: str) -> Descriptor | None:
    described = data.get(key)
    return None if described is None else Descriptor.from_json(described)


def _descriptors(data: Mapping[str, Any], key: str) -> tuple[Descriptor, ...]:
    entries = data.get(key)
    if entries is None:
        return ()
    if not isinstance(entries, list):
        raise Malformed(f"a manifest's {key!r} is not an array")
    return tuple([Descriptor.from_json(entry) for entry in entries])


def _media_type(sent: str, data: Mapping[str, Any]) -> str:
    sent = sent.partition(";")[0].strip().lower()
    named = data.get("mediaType")
    named = named if isinstance(named, str) else ""
    if sent in _KNOWN:
        if named in _KNOWN and named != sent and sent not in SCHEMA1:
            raise ContentError(f"a manifest was sent as {sent} but calls itself {named}")
        return sent
    if named:
        return named
    if data.get("schemaVersion") == 1:
        return DOCKER_SCHEMA1_SIGNED if "signatures" in data else DOCKER_SCHEMA1
    if isinstance(data.get("manifests"), list):
        return OCI_INDEX
    if isinstance(data.get("config"), dict) or isinstance(data.get("layers"), list):
        return OCI_MANIFEST
    raise Malformed("JSON that is no manifest (no mediaType, config, layers or manifests)")


def _signed_payload(raw: bytes, data: Mapping[str, Any]) -> bytes:
    """The bytes a schema 1 digest is of: those before the signatures were added."""
    signatures: Sequence[Any] = data.get("signatures") or ()
    try:
        protected = signatures[0]["protected"]
        header = json.loads(base64.urlsafe_b64decode(protected + "=" * (-len(protected) % 4)))
        tail = header["formatTail"]
        rest = base64.urlsafe_b64decode(tail + "=" * (-len(tail) % 4))
        return raw[: header["formatLength"]] + rest
    except (LookupError, TypeError, ValueError, RecursionError):
        return raw


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {key: text for key, text in value.items() if isinstance(text, str)}


def _glimpse(raw: bytes) -> str:
    start = raw[:200].lstrip().lower()
    if not raw:
        return "empty"
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<")):
        return "HTML or XML (a proxy or login page?)"
    return f"{len(raw)} bytes that don't parse"
