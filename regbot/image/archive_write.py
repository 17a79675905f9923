"""Writes an image into one tar that is an OCI layout and a ``docker save`` at once.

OCI image spec, "Image Layout"; docker image spec v1.2, "Combined Image JSON +
Filesystem Changeset Format". The same image gives the same bytes on machines of one
platform. The file gets its name when it is whole.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterable
from contextlib import suppress
from itertools import chain
from pathlib import Path

from regbot.errors import InvalidValue, NotFound, NotSupported, SizeMismatch, StorageError
from regbot.events import Emit, Message
from regbot.files import require_replaceable, sync_folder, temporary_file, writing
from regbot.image.compression import Target, codec_for, packing
from regbot.image.crew import Crew
from regbot.image.graph import Graph, Look, explore
from regbot.image.parts import is_external
from regbot.oci.digest import Digest
from regbot.oci.manifest import (
    DOCKER_CONFIG,
    OCI_CONFIG,
    OCI_INDEX,
    SCHEMA1,
    Manifest,
    encode,
)
from regbot.oci.reference import Reference
from regbot.oci.tag import Name, Tag
from regbot.stopping import Stop
from regbot.store.layout_index import REF_NAME
from regbot.store.protocol import ReadStore
from regbot.values import dataclass

_BLOCK = 512
_CONTAINERD_NAME = "io.containerd.image.name"
_LAYERS = ("application/vnd.oci.image.layer.v1.", "application/vnd.docker.image.rootfs.diff.")


def write_archive(
    source: ReadStore,
    name: Name,
    path: Path,
    *,
    repository_name: str,
    tag: Tag | None = None,
    stop: Stop,
    emit: Emit,
) -> Manifest:
    """Write what ``name`` is, all platforms of it, and give its manifest.

    ``repository_name``, such as ``registry.example.org/team/app``, is what
    ``docker load`` calls the image, empty for nothing. ``tag`` is the tag there, by default
    ``name``, if that is one. The file is packed when its
    name ends with .gz, .tgz, .zst or .tzst, and replaces an older one. Layers that
    are kept elsewhere (``is_external``) are left out. Raises what the source
    raises, NotSupported for docker's schema 1, and StorageError.
    """
    names = _Names.of(repository_name, tag or name)
    require_replaceable(path)
    head = source.head(name)
    look = Look(source, source.manifest, emit=emit)
    graph = explore(head.descriptor, look, Crew(1, stop))
    root = graph.manifests[head.digest]
    export = _Export(source, graph)
    _refuse_schema1(graph)
    if not path.parent.is_dir():
        raise StorageError(f"can't write {path}: there is no folder {path.parent}")
    with temporary_file(path) as (descriptor, temporary), writing(path):
        with (
            os.fdopen(descriptor, "wb", closefd=False) as file,
            packing(file, codec_for(path)) as out,
        ):
            export.write(_TarWriter(out, stop), root, names)
        os.fsync(descriptor)
        stop.check_attempt()
        Path(temporary).rename(path)
        sync_folder(path.parent)
    emit(Message("debug", "archive written", {"file": str(path), "digest": str(root.digest)}))
    return root


@dataclass(frozen=True, slots=True)
class _Names:
    """What the image is called in the tar. Empty is not at all, as for a digest."""

    tag: str
    full: str

    @classmethod
    def of(cls, repository_name: str, name: Name) -> _Names:
        """Raises InvalidValue for what docker can't load an image by."""
        tag = "" if isinstance(name, Digest) else name
        if not tag or not repository_name:
            return cls(tag, "")
        parsed = Reference.parse(f"{repository_name}:{tag}")
        if parsed.scheme != "registry":
            raise InvalidValue(f"{repository_name!r} is not a name docker can load an image by")
        return cls(tag, str(parsed))

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations of the image's entry in the layout's index."""
        named = {_CONTAINERD_NAME: self.full, REF_NAME: self.tag}
        return {key: value for key, value in named.items() if value}


class _Export:
    """What goes into the tar: the manifests, which are in memory, and the size of every blob."""

    def __init__(self, source: ReadStore, graph: Graph) -> None:
        self._source = source
        self._manifests = graph.manifests
        self._sizes = {digest: manifest.size for digest, manifest in graph.manifests.items()}
        for part in chain.from_iterable(graph.blobs.values()):
            if is_external(part):
                continue
            size = self._sizes.setdefault(part.digest, part.size)
            if size != part.size:
                raise SizeMismatch(
                    f"{part.digest} of {source.repository} is listed with {size} bytes,"
                    f" and {part.size}"
                )

    def write(self, tar: _TarWriter, root: Manifest, names: _Names) -> None:
        """Write all of the tar: the layout's files, then every blob by its digest."""
        tar.folder("blobs")
        for algorithm in sorted({digest.algorithm for digest in self._sizes}):
            tar.folder(f"blobs/{algorithm}")
        tar.file("oci-layout", encode({"imageLayoutVersion": "1.0.0"}))
        tar.file("index.json", _index(root, names))
        saved = self._loadable(root)
        if saved:
            tar.file("manifest.json", _manifest_json(saved, names))
        for digest, size in sorted(self._sizes.items(), key=lambda item: str(item[0])):
            known = self._manifests.get(digest)
            content = [known.raw] if known else self._source.blob(digest, size)
            tar.stream(_blob_path(digest), size, content)
        tar.end()

    def _loadable(self, root: Manifest) -> Manifest | None:
        """The image that docker loads by ``manifest.json``: the local platform's, else the first.

        None when there is none with layers it knows, as in an artifact.
        """
        waiting, seen = [root], set[Digest]()
        while waiting:
            manifest = waiting.pop()
            if manifest.digest in seen:
                continue
            seen.add(manifest.digest)
            if self._is_loadable(manifest):
                return manifest
            children = list(manifest.manifests)
            with suppress(NotFound):
                children.insert(0, manifest.child_for(None))
            known = (self._manifests.get(child.digest) for child in reversed(children))
            waiting += [child for child in known if child]
        return None

    def _is_loadable(self, manifest: Manifest) -> bool:
        config = manifest.config
        return (
            config is not None
            and config.media_type in (OCI_CONFIG, DOCKER_CONFIG)
            and all(
                layer.digest in self._sizes and layer.media_type.startswith(_LAYERS)
                for layer in manifest.layers
            )
        )


class _TarWriter:
    """Members with nothing of this machine or moment in their headers."""

    def __init__(self, out: Target, stop: Stop) -> None:
        self._out = out
        self._stop = stop

    def folder(self, name: str) -> None:
        self._header(name, 0, tarfile.DIRTYPE)

    def file(self, name: str, content: bytes) -> None:
        self.stream(name, len(content), [content])

    def stream(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        """A file from chunks that have ``size`` bytes together, or raise."""
        self._header(name, size, tarfile.REGTYPE)
        for chunk in chunks:
            self._stop.check()
            self._out.write(chunk)
        self._out.write(bytes(-size % _BLOCK))

    def end(self) -> None:
        """The mark that the tar is whole."""
        self._out.write(bytes(2 * _BLOCK))

    def _header(self, name: str, size: int, kind: bytes) -> None:
        header = tarfile.TarInfo(name)
        header.size, header.type = size, kind
        header.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
        self._out.write(header.tobuf(tarfile.PAX_FORMAT))


def _refuse_schema1(graph: Graph) -> None:
    for manifest in graph.manifests.values():
        if manifest.media_type in SCHEMA1:
            raise NotSupported(f"docker schema 1 is not written to archives: {manifest.digest}")


def _index(root: Manifest, names: _Names) -> bytes:
    entry = root.descriptor.to_json()
    entry |= {"annotations": names.annotations} if names.annotations else {}
    return encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})


def _manifest_json(image: Manifest, names: _Names) -> bytes:
    layers = [_blob_path(layer.digest) for layer in image.layers]
    config = _blob_path(image.config.digest) if image.config else ""
    entry = {"Config": config, "RepoTags": [names.full] if names.full else None, "Layers": layers}
    return b"[" + encode(entry) + b"]"


def _blob_path(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"
