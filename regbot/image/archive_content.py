"""What a tar holds as images: an OCI layout, or what ``docker save`` wrote.

OCI image spec, "Image Layout"; docker image spec v1.2, "Combined Image JSON +
Filesystem Changeset Format". Where a tar is both, the layout counts, since it
has the exact bytes of the manifests.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any

from regbot.errors import DigestMismatch, InvalidValue, Malformed, NotFound, SizeMismatch
from regbot.image.compression import MAGIC_LENGTH, codec_of, unpacked
from regbot.image.tar_members import Member, Tar
from regbot.oci.digest import Digest
from regbot.oci.manifest import OCI_CONFIG, OCI_MANIFEST, Manifest, encode, parse_object
from regbot.stopping import Stop
from regbot.store.layout_index import REF_NAME, Entry, Index, check_version
from regbot.values import dataclass

_LAYOUT, _INDEX, _SAVED = "oci-layout", "index.json", "manifest.json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, slots=True)
class TarBlobs:
    """The content of a tar by digest, ``made`` being manifests that it does not hold itself.

    A layout's Blobs.
    """

    tar: Tar
    members: Mapping[Digest, Member]
    made: Mapping[Digest, bytes]
    stop: Stop

    def __str__(self) -> str:
        return self.tar.what

    def size(self, digest: Digest) -> int:
        """Bytes of a blob. Raises NotFound."""
        made = self.made.get(digest)
        return self._member(digest).size if made is None else len(made)

    def chunks(self, digest: Digest) -> Iterator[bytes]:
        """The bytes of a blob. Raises NotFound."""
        made = self.made.get(digest)
        return self._stoppable(self._member(digest)) if made is None else iter((made,))

    def read(self, digest: Digest, limit: int) -> bytes:
        """A small blob as a whole. Raises NotFound, SizeMismatch over the limit."""
        if self.size(digest) > limit:
            raise SizeMismatch(f"{digest} of {self}: more than the limit of {limit} bytes")
        return b"".join(self.chunks(digest))

    def _member(self, digest: Digest) -> Member:
        member = self.members.get(digest)
        if member is None:
            raise NotFound(f"{digest} is not in {self}")
        return member

    def _stoppable(self, member: Member) -> Iterator[bytes]:
        for chunk in self.tar.chunks(member):
            self.stop.check()
            yield chunk


@dataclass(frozen=True, slots=True)
class Content:
    """The images of a tar: their names, and all content."""

    index: Index
    blobs: TarBlobs


def content_of(tar: Tar, *, limit: int, stop: Stop) -> Content:
    """Understand a tar; ``limit`` are the bytes of each JSON file in it.

    Raises ContentError for what is neither of the two, or does not fit together.
    """
    if _LAYOUT in tar.members and _INDEX in tar.members:
        return _of_layout(tar, limit, stop)
    if _SAVED in tar.members:
        return _Saved(tar, limit, stop).content()
    if _LAYOUT in tar.members or _INDEX in tar.members:
        missing = _INDEX if _LAYOUT in tar.members else _LAYOUT
        raise Malformed(f"{tar.what} is an OCI layout without {missing}")
    raise Malformed(
        f"{tar.what} holds no image: neither {_LAYOUT} and {_INDEX} nor {_SAVED} is in it"
    )


def _of_layout(tar: Tar, limit: int, stop: Stop) -> Content:
    check_version(tar.read(_LAYOUT, limit), tar.what)
    index = Index.parse(tar.read(_INDEX, limit), f"{_INDEX} of {tar.what}")
    blobs: dict[Digest, Member] = {}
    for name in tar.members:
        parts = name.split("/")
        if len(parts) != 3 or parts[0] != "blobs":
            continue
        try:
            digest = Digest.parse(":".join(parts[1:]))
        except InvalidValue:
            continue
        member = tar.find(name)
        if member:
            blobs[digest] = member
    return Content(index, TarBlobs(tar, blobs, {}, stop))


class _Saved:
    """Makes manifests for what ``docker save`` wrote, the same ones each time."""

    def __init__(self, tar: Tar, limit: int, stop: Stop) -> None:
        self._tar = tar
        self._limit = limit
        self._stop = stop
        self._blobs: dict[Digest, Member] = {}
        self._packed: dict[tuple[Member, Digest], Digest] = {}

    def content(self) -> Content:
        made: dict[Digest, bytes] = {}
        entries: list[Entry] = []
        for image in self._images():
            manifest = self._manifest(image)
            made[manifest.digest] = manifest.raw
            names = self._texts(image, "RepoTags")
            described = manifest.descriptor.to_json()
            entries += [
                Entry.of({**described, "annotations": {REF_NAME: name}}) for name in names
            ] or [Entry.of(described)]
        blobs = TarBlobs(self._tar, self._blobs, made, self._stop)
        return Content(Index.of({}, entries), blobs)

    def _images(self) -> list[dict[str, Any]]:
        """The objects of ``manifest.json``, which is an array."""
        raw = self._tar.read(_SAVED, self._limit)
        what = f"{_SAVED} of {self._tar.what}"
        try:
            images = json.loads(raw)
        except (ValueError, RecursionError):
            raise Malformed(f"{what} is not JSON") from None
        if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
            raise Malformed(f"{what} is not an array of objects")
        return images

    def _texts(self, image: Mapping[str, Any], key: str) -> list[str]:
        """The strings of an array in an image's entry, which may be missing or null."""
        texts = image.get(key) or []
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise Malformed(f"{_SAVED} of {self._tar.what}: {key} is not an array of strings")
        return texts

    def _manifest(self, image: Mapping[str, Any]) -> Manifest:
        path = image.get("Config")
        if not isinstance(path, str):
            raise Malformed(f"{_SAVED} of {self._tar.what}: an image's Config is not a string")
        config = self._tar.read(path, self._limit)
        digest = Digest.of(config)
        self._blobs[digest] = self._member(path)
        paths = self._texts(image, "Layers")
        diff_ids = _diff_ids(config, f"{path!r} of {self._tar.what}")
        if len(paths) != len(diff_ids):
            raise Malformed(
                f"{self._tar.what}: {len(paths)} layers in {_SAVED}, {len(diff_ids)} in {path!r}"
            )
        data = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": str(digest), "size": len(config)},
            "layers": [
                self._layer(path, diff_id) for path, diff_id in zip(paths, diff_ids, strict=True)
            ],
        }
        return Manifest.parse(encode(data))

    def _layer(self, path: str, diff_id: Digest) -> dict[str, Any]:
        """The descriptor of a layer.

        A plain layer must have the digest in the config, which is checked when it
        is read; the digest of a packed one has to be found out.
        """
        member = self._member(path)
        what = f"layer {path!r} of {self._tar.what}"
        codec = codec_of(self._tar.start(member, MAGIC_LENGTH), what)
        digest = self._packed_digest(member, diff_id, what) if codec else diff_id
        self._blobs[digest] = member
        media_type = f"{_LAYER}+{codec}" if codec else _LAYER
        return {"mediaType": media_type, "digest": str(digest), "size": member.size}

    def _packed_digest(self, member: Member, diff_id: Digest, what: str) -> Digest:
        known = self._packed.get((member, diff_id))
        if known:
            return known
        codec = codec_of(self._tar.start(member, MAGIC_LENGTH), what)
        with closing(self._tar.stream(member)) as stream:
            plain = self._hash(unpacked(stream, codec, what), diff_id.algorithm)
        if plain != diff_id:
            raise DigestMismatch(f"{what}: unpacked digest is {plain}, expected {diff_id}")
        digest = self._hash(self._tar.chunks(member), "sha256")
        self._packed[member, diff_id] = digest
        return digest

    def _hash(self, chunks: Iterable[bytes], algorithm: str) -> Digest:
        hasher = hashlib.new(algorithm)
        for chunk in chunks:
            self._stop.check()
            hasher.update(chunk)
        return Digest(algorithm, hasher.hexdigest())

    def _member(self, path: str) -> Member:
        member = self._tar.find(path)
        if member is None:
            raise Malformed(f"{path!r} is missing in {self._tar.what}")
        return member


def _diff_ids(config: bytes, what: str) -> list[Digest]:
    rootfs = parse_object(config, what).get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if diff_ids is None:
        diff_ids = []
    if not isinstance(diff_ids, list) or not all(isinstance(text, str) for text in diff_ids):
        raise Malformed(f"{what}: diff_ids is not an array of strings")
    try:
        return [Digest.parse(text) for text in diff_ids]
    except InvalidValue as error:
        raise Malformed(f"{what}: {error}") from None
