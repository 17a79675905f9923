"""A repository whose manifests and configs need not be read again.

The cache tells what a digest holds, never whether it is there: that is the registry's
to say, each time. So a tag, or a digest, is asked for by HEAD, and what the registry has
there comes from the cache. Only a config may come without a request, and only when the
registry has just shown the manifest that leads to it. Layers are not kept.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

from regbot.errors import ContentError, NotFound, NotSupported
from regbot.events import Emit, Spared, ignore
from regbot.oci.digest import Digest
from regbot.oci.manifest import SCHEMA1, Head, ImageConfig, Manifest
from regbot.oci.tag import Name
from regbot.stopping import Clock
from regbot.store.cache_folder import Shelf
from regbot.store.protocol import FRESH_FOR, ReadStore
from regbot.store.view import View

_MOST_SHOWN = 128


class Source(ReadStore, Protocol):
    """A store that can be asked for the digest of a manifest alone."""

    def glance(self, name: Name) -> Head | None:
        """What a HEAD tells; None where it can't be asked, or tells too little."""
        ...


class Cache(View):
    """A repository of a registry, with what is known of its content. Threads may share it.

    Whether a tag is asked for by HEAD, in the hope that its manifest is known, or at once
    by GET, is learned: from what was kept by the runs before, then from the last tag.
    """

    def __init__(
        self,
        base: Source,
        shelf: Shelf,
        *,
        emit: Emit = ignore,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(base)
        self._source = base
        self._shelf = shelf
        self._emit = emit
        self._clock = clock
        self._hopeful: bool | None = None
        self._heads_tell = True
        self._lock = threading.Lock()
        self._shown: dict[Digest, float] = {}

    def manifest(self, name: Name) -> Manifest:
        """A manifest: its digest from the registry, its bytes from the cache if it has them."""
        manifest = self._known(name) if self._may_be_known(name) else None
        if manifest is None:
            manifest = self._read(name)
        self._show(manifest.digest)
        return manifest

    def known(self, name: Name) -> Manifest:
        """A manifest without a GET. Raises NotSupported for one that would need it."""
        manifest = self._known(name) if self._may_be_known(name) else None
        if manifest is None:
            raise NotSupported(f"{self.repository.with_name(name)} is not in the cache")
        self._show(manifest.digest)
        return manifest

    def config(self, image: Manifest, *, limit: int) -> ImageConfig:
        """From the cache if the registry has just shown the image, else from the registry."""
        descriptor = image.config
        if descriptor is None or descriptor.size > limit:
            return self._base.config(image, limit=limit)
        if self._is_shown(image.digest):
            content = self._shelf.read(descriptor.digest, descriptor.size)
            if content is not None:
                self._emit(Spared("cache"))
                return ImageConfig.parse(content, descriptor)
        config = self._base.config(image, limit=limit)
        self._shelf.keep(descriptor.digest, config.raw)
        return config

    def _may_be_known(self, name: Name) -> bool:
        """Whether a HEAD is likely to do."""
        if not self._heads_tell:
            return False
        if isinstance(name, Digest):
            return self._shelf.has(name)
        if self._hopeful is None:
            self._hopeful = self._shelf.is_filled
        return self._hopeful

    def _known(self, name: Name) -> Manifest | None:
        """A manifest by HEAD; None where it has to be read, for whatever reason."""
        try:
            head = self._source.glance(name)
        except NotFound:
            return None  # a GET is to say so, as without a cache
        if head is None:
            self._heads_tell = False
            return None
        content = self._shelf.read(head.digest, head.size)
        self._hopeful = content is not None
        if content is None or head.media_type in SCHEMA1:
            return None
        try:
            return Manifest.parse(
                content,
                head.media_type,
                algorithm=head.digest.algorithm,
                rate_limit=head.rate_limit,
            )
        except ContentError:
            return None

    def _read(self, name: Name) -> Manifest:
        manifest = self._base.manifest(name)
        if manifest.media_type in SCHEMA1:
            return manifest  # whose digest is not that of all its bytes
        is_known = self._shelf.has(manifest.digest)
        if not isinstance(name, Digest):
            self._hopeful = is_known
        if not is_known:
            self._shelf.keep(manifest.digest, manifest.raw)
        return manifest

    def _show(self, digest: Digest) -> None:
        with self._lock:
            self._shown.pop(digest, None)
            self._shown[digest] = self._clock()
            if len(self._shown) > _MOST_SHOWN:
                del self._shown[next(iter(self._shown))]

    def _is_shown(self, digest: Digest) -> bool:
        return self._clock() - self._shown.get(digest, float("-inf")) < FRESH_FOR
