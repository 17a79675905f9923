"""The manifests of one repository of a registry, each with its exact bytes."""

from __future__ import annotations

from functools import partial

from regbot.errors import ContentError, DigestMismatch, NotSupported, RegistryUnsupported
from regbot.http.exchange import Request
from regbot.http.faults import error_of
from regbot.oci.digest import Digest
from regbot.oci.manifest import MEDIA_TYPES, SCHEMA1, Head, Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Name
from regbot.store.answers import digest_said, head_said, media_type_said, rate_limit_said
from regbot.store.endpoint import Endpoint, fetch
from regbot.store.protocol import Written

_PAGE = "text/html"
"""What a proxy or a page to log in at answers with, in place of a registry."""
_ACCEPT = {"Accept": ", ".join(MEDIA_TYPES)}


class RemoteManifests:
    """Reads and writes manifests; threads may share it.

    ``mirrors``: what is read may come from the host's mirrors. ``written`` is told after each
    write.
    """

    def __init__(self, endpoint: Endpoint, repository: Reference, written: Written) -> None:
        self._endpoint = endpoint
        self._repository = repository
        self._written = written

    def head(self, name: Name, *, mirrors: bool) -> Head:
        """HEAD of a manifest; a GET where the host or its answer asks for one."""
        head = self.glance(name, mirrors=mirrors)
        if head is not None:
            return head
        manifest = self.get(name, mirrors=mirrors)
        return Head(manifest.media_type, manifest.digest, manifest.size, manifest.rate_limit)

    def glance(self, name: Name, *, mirrors: bool) -> Head | None:
        """What a HEAD alone tells; None where those of the host tell too little."""
        if self._endpoint.settings.disable_head:
            return None
        try:
            with self._endpoint.send(self._request("HEAD", name, mirrors=mirrors)) as response:
                head = head_said(response.headers)
        except RegistryUnsupported:
            return None
        return head if head is not None and _fits(name, head.digest) else None

    def get(self, name: Name, *, mirrors: bool) -> Manifest:
        """GET of a manifest, checked."""
        reference = str(self._repository.with_name(name))
        request = self._request("GET", name, mirrors=mirrors)
        limit = self._endpoint.exchange.blob_limit
        body, answer = fetch(partial(self._endpoint.send, request), limit)
        wanted = name if isinstance(name, Digest) else None
        try:
            manifest = Manifest.parse(
                body,
                media_type_said(answer.headers),
                algorithm=wanted.algorithm if wanted else "sha256",
                rate_limit=rate_limit_said(answer.headers),
            )
        except ContentError as error:
            raise type(error)(f"{reference}: {error}") from None
        _check(manifest, wanted or digest_said(answer.headers), reference)
        return manifest

    def put(self, name: Name, manifest: Manifest, *, retry: bool = True) -> bool:
        """PUT the exact bytes; whether the registry lists it as a referrer of its subject itself.

        ``retry`` False sends them once.
        """
        reference = str(self._repository.with_name(name))
        if manifest.media_type in SCHEMA1:
            raise NotSupported(f"{reference}: manifests of schema 1 are not written")
        if isinstance(name, Digest):
            name.check(manifest.raw, reference)
        request = Request(
            "PUT",
            self._endpoint.path(f"manifests/{name}"),
            expect=frozenset({200, 201, 202, 204}),
            scopes=self._endpoint.push,
            headers={"Content-Type": manifest.media_type},
            body=manifest.raw,
            length=manifest.size,
            retry=retry,
        )
        try:
            with self._endpoint.send(request) as response:
                if media_type_said(response.headers) == _PAGE and response.status == 200:
                    raise error_of(response)  # a registry says 201
                _check(manifest, digest_said(response.headers), reference)
                return "OCI-Subject" in response.headers
        finally:
            self._written(self._repository, None)

    def _request(self, method: str, name: Name, *, mirrors: bool) -> Request:
        return Request(
            method,
            self._endpoint.path(f"manifests/{name}"),
            scopes=self._endpoint.pull,
            headers=_ACCEPT,
            mirrors=mirrors,
        )


def _fits(name: Name, said: Digest) -> bool:
    """Whether a digest said for a name can be taken: the same one, or a tag's sha256."""
    return said == name if isinstance(name, Digest) else said.algorithm == "sha256"


def _check(manifest: Manifest, expected: Digest | None, reference: str) -> None:
    """Raise DigestMismatch when the bytes have another digest than the expected."""
    if expected is None or manifest.digest == expected:
        return
    if manifest.media_type in SCHEMA1:
        if expected.algorithm == manifest.digest.algorithm:
            raise DigestMismatch(f"{reference}: digest is {manifest.digest}, expected {expected}")
        return
    expected.check(manifest.raw, reference)
