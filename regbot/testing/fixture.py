"""What a test file says of repositories, as values, and the content made from it.

Manifests and configs are real ones, layers a few bytes: whatever a script can ask of a
registry has an answer, and copies can be checked. An image with a ``digest``, as a
recording has it, keeps that digest though its content is made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace

from regbot.image.facts import CREATED, parse_date
from regbot.oci.digest import Digest
from regbot.oci.manifest import (
    MEBIBYTE,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Manifest,
    encode,
)
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference
from regbot.oci.referrers import as_referrer, fallback_tag
from regbot.oci.tag import Tag
from regbot.units import format_moment
from regbot.values import dataclass

_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_EMPTY = b"{}"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_SIGNATURE = "application/vnd.dev.cosign.simplesigning.v1+json"


USUAL = Platform("linux", "amd64")
"""The platform of an image for which the test says none."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image of a test.

    ``created`` is in seconds since 1970, None is unknown. With ``platforms`` it is an index
    with an image for each; the digest of each, or None for that of the made-up content.
    ``size`` is that of its layer in bytes. ``signatures`` are the endings of tags such as
    ``sha256-<hex>.sig``, ``referrers`` the types of artifacts that name it as their subject.
    """

    created: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform = USUAL
    platforms: Mapping[Platform, Digest | None] = field(default_factory=dict)
    size: int | None = None
    digest: Digest | None = None
    signatures: tuple[str, ...] = ()
    referrers: tuple[str, ...] = ()

    def undated(self) -> Image:
        """The same without any date."""

        def rest(texts: Mapping[str, str]) -> dict[str, str]:
            return {key: text for key, text in texts.items() if key != CREATED}

        return replace(
            self, created=None, labels=rest(self.labels), annotations=rest(self.annotations)
        )

    @property
    def date(self) -> float | None:
        """The first date that it has anywhere."""
        texts = (self.annotations.get(CREATED), self.labels.get(CREATED))
        dates = [date.timestamp() for date in map(parse_date, texts) if date]
        return next(iter([*([] if self.created is None else [self.created]), *dates]), None)


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of a test. ``images`` are by name; ``tags`` says which one each is on.

    An image without a tag is untagged.
    """

    reference: Reference
    images: Mapping[str, Image]
    tags: Mapping[Tag, str]


@dataclass(slots=True)
class Content:
    """What a repository of a test holds.

    ``names`` are what people call the manifests beside tags, such as ``sig of v1.0``;
    ``parts`` are those of an index, each with the manifest it is a part of; ``roots`` has
    the digest of each image. A blob is None for a layer that is too big to be made up.
    """

    tags: dict[Tag, Digest] = field(default_factory=dict)
    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    blobs: dict[Digest, bytes | None] = field(default_factory=dict)
    sizes: dict[Digest, int] = field(default_factory=dict)
    referrers: dict[Digest, list[Descriptor]] = field(default_factory=dict)
    names: dict[str, Tag | Digest] = field(default_factory=dict)
    parts: dict[str, Digest] = field(default_factory=dict)
    roots: dict[str, Digest] = field(default_factory=dict)

    def add_blob(
        self, media_type: str, content: bytes | None, name: bytes, size: int
    ) -> dict[str, object]:
        """A descriptor of a blob; without content, its digest is made of its name."""
        digest = Digest.of(name if content is None else content)
        self.blobs[digest], self.sizes[digest] = content, size
        return {"mediaType": media_type, "digest": str(digest), "size": size}

    def add(self, manifest: Manifest, digest: Digest | None = None) -> Manifest:
        """Keep a manifest, under a digest of its own or the one that it has."""
        manifest = replace(manifest, digest=digest) if digest else manifest
        self.manifests[manifest.digest] = manifest
        return manifest


def content_of(repository: Repository) -> Content:
    """The content of a repository."""
    content = Content()
    for name, image in repository.images.items():
        seed = f"{repository.reference} {name}"
        content.roots[name] = root = _image(content, image, seed, name).digest
        title = called(repository, name)
        if title != name:
            content.names[title] = root
        _add_signatures(content, image, root, title)
    for tag, name in repository.tags.items():
        content.tags[tag] = content.roots[name]
        content.names[tag] = tag
    return content


def called(repository: Repository, image: str) -> str:
    """What an image is called: by the tag that it is described at, if any."""
    return image if image in repository.tags else f"untagged {image}"


def _image(content: Content, image: Image, seed: str, name: str) -> Manifest:
    """Make an image or index up; ``seed`` makes it another than the others."""
    if not image.platforms:
        return content.add(_manifest(content, image, image.platform, seed), image.digest)
    children = []
    for platform, digest in image.platforms.items():
        child = content.add(_manifest(content, image, platform, f"{seed} {platform}"), digest)
        content.names[f"{platform} of {name}"] = child.digest
        children.append(child.descriptor.to_json() | {"platform": _as_json(platform)})
    index: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": children,
    }
    if image.annotations:
        index["annotations"] = dict(image.annotations)
    root = content.add(Manifest.build(index), image.digest)
    for platform in image.platforms:
        content.parts[f"{platform} of {name}"] = root.digest
    return root


def _manifest(content: Content, image: Image, platform: Platform, seed: str) -> Manifest:
    config: dict[str, object] = {**_as_json(platform), "config": {"Labels": dict(image.labels)}}
    if image.created is not None:
        config["created"] = format_moment(image.created)
    layer = _layer(content, image.size, seed)
    config["rootfs"] = {"type": "layers", "diff_ids": [layer["digest"]]}
    raw = encode(config)
    data: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": content.add_blob(OCI_CONFIG, raw, raw, len(raw)),
        "layers": [layer],
    }
    if image.annotations:
        data["annotations"] = dict(image.annotations)
    return Manifest.build(data)


def _as_json(platform: Platform) -> dict[str, str]:
    fields = {
        "os": platform.os,
        "architecture": platform.architecture,
        "variant": platform.variant,
        "os.version": platform.os_version,
    }
    return {name: value for name, value in fields.items() if value}


def _layer(content: Content, size: int | None, seed: str) -> dict[str, object]:
    text = f"layer of {seed}\n".encode()
    if size is None:
        return content.add_blob(_LAYER, text, text, len(text))
    if size > MEBIBYTE:
        return content.add_blob(_LAYER, None, text + str(size).encode(), size)
    padded = (text * (size // len(text) + 1))[:size]
    return content.add_blob(_LAYER, padded, padded, size)


def _add_signatures(content: Content, image: Image, root: Digest, title: str) -> None:
    subject = content.manifests[root].descriptor.to_json()
    for ending in image.signatures:
        manifest = content.add(_artifact(content, f"{ending} of {root}", {}))
        tag = Tag(f"{fallback_tag(root)}.{ending}")
        content.tags[tag] = manifest.digest
        content.names[f"{ending} of {title}"] = tag
    for kind, number in _numbered(image.referrers):
        more = {"artifactType": kind, "subject": subject}
        manifest = content.add(_artifact(content, f"{kind} {number} of {root}", more))
        content.referrers.setdefault(root, []).append(as_referrer(manifest))
        suffix = f" {number}" if number > 1 else ""
        content.names[f"{kind}{suffix} of {title}"] = manifest.digest


def _numbered(kinds: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    for position, kind in enumerate(kinds):
        yield kind, kinds[: position + 1].count(kind)


def _artifact(content: Content, seed: str, more: Mapping[str, object]) -> Manifest:
    payload = f"{seed}\n".encode()
    return Manifest.build(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": content.add_blob(_EMPTY_TYPE, _EMPTY, _EMPTY, len(_EMPTY)),
            "layers": [content.add_blob(_SIGNATURE, payload, payload, len(payload))],
            **more,
        }
    )
