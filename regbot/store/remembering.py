"""A repository read for one decision: no manifest and no config is asked for twice."""

from __future__ import annotations

from collections.abc import Callable

from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor, Head, ImageConfig, Manifest
from regbot.oci.tag import Name
from regbot.store.protocol import ReadStore
from regbot.store.view import View


class Remembering(View):
    """A store to read that keeps the manifests and configs it has read. Threads may share it."""

    def __init__(self, base: ReadStore) -> None:
        super().__init__(base)
        self._manifests: dict[Digest, Manifest] = {}
        self._configs: dict[Digest, ImageConfig] = {}
        self._referrers: dict[Digest, Callable[[], list[Descriptor]]] = {}

    def expect_referrers(self, digest: Digest, answer: Callable[[], list[Descriptor]]) -> None:
        """What refers to a digest is asked for already; ``answer`` waits for that."""
        self._referrers[digest] = answer

    def head(self, name: Name) -> Head:
        """Of a manifest that was read by its digest, from memory; else the store's answer."""
        known = self._manifests.get(name) if isinstance(name, Digest) else None
        if known is None:
            return self._base.head(name)
        return Head(known.media_type, known.digest, known.size)

    def manifest(self, name: Name) -> Manifest:
        """A manifest; a tag is asked for each time, a digest once."""
        known = self._manifests.get(name) if isinstance(name, Digest) else None
        if known is None:
            known = self._base.manifest(name)
            self._manifests[known.digest] = known
        return known

    def config(self, image: Manifest, *, limit: int) -> ImageConfig:
        """The config of an image, asked for once."""
        known = self._configs.get(image.digest)
        if known is None:
            known = self._configs[image.digest] = self._base.config(image, limit=limit)
        return known

    def referrers(self, digest: Digest, artifact_type: str = "") -> list[Descriptor]:
        """What refers to a digest, asked for each time but where the answer is expected."""
        answer = None if artifact_type else self._referrers.get(digest)
        return answer() if answer else self._base.referrers(digest, artifact_type)
