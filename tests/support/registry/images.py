"""Puts images, indexes and artifacts right into the content, without HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regbot.oci.manifest import Manifest
from support.images import Image, make_image, make_index, make_referrer
from support.registry.content import Content, digest_of


class Images:
    """What TestRegistry offers to fill itself. The digest comes back as text."""

    content: Content

    def put(self, repository: str, name: str, image: Image) -> str:
        """An image with its blobs and children; an empty name: by digest alone."""
        own = self.content.repository(repository)
        for child in image.children:
            self.put(repository, "", child)
        own.blobs.update({str(digest): blob for digest, blob in image.blobs.items()})
        manifest = image.manifest
        return own.put_manifest(name or str(manifest.digest), manifest.raw, manifest.media_type)

    def put_image(self, repository: str, name: str = "", **how: Any) -> str:
        """An image made by ``make_image(**how)``."""
        return self.put(repository, name, make_image(**how))

    def put_index(self, repository: str, name: str, children: Mapping[str, Image]) -> str:
        """An index of images by platform text."""
        return self.put(repository, name, make_index(children))

    def put_artifact(self, repository: str, subject: str, name: str = "", **how: Any) -> str:
        """A manifest made by ``make_referrer(**how)`` that refers to a digest."""
        stored = self.content.repository(repository).manifests[subject]
        manifest = Manifest.parse(stored.raw, stored.media_type)
        return self.put(repository, name, make_referrer(manifest, **how))

    def put_raw(self, repository: str, name: str, raw: bytes, media_type: str) -> str:
        """Any bytes as a manifest; an empty name: by digest alone."""
        own = self.content.repository(repository)
        return own.put_manifest(name or digest_of(raw), raw, media_type)

    def put_blob(self, repository: str, content: bytes) -> str:
        digest = digest_of(content)
        self.content.repository(repository).blobs[digest] = content
        return digest

    def tag(self, repository: str, tag: str, digest: str) -> None:
        """Put another tag on a digest."""
        self.content.repository(repository).tag(tag, digest)
