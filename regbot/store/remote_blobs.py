"""The blobs of one repository of a registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from regbot.errors import (
    NotSupported,
    RegistryError,
    RegistryUnsupported,
    ServerFault,
    TooManyRequests,
    Unauthorized,
)
from regbot.http.exchange import Request, Scope
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.store.answers import size_said
from regbot.store.download import download
from regbot.store.endpoint import Endpoint, location_of
from regbot.store.protocol import Chunks
from regbot.store.upload import Upload, cancel


class RemoteBlobs:
    """Reads and writes blobs; threads may share it.

    ``mirrors``: what is read may come from the host's mirrors. ``ending`` gives what takes back
    an upload that is broken off, also of a run that has to end.
    """

    def __init__(
        self, endpoint: Endpoint, repository: Reference, ending: Callable[[], Endpoint]
    ) -> None:
        self._endpoint = endpoint
        self._repository = repository
        self._ending = ending

    def size(self, digest: Digest, *, mirrors: bool) -> int:
        """Content-Length of a blob. Raises NotSupported where the registry doesn't tell it."""
        return self._size(digest, scopes=self._endpoint.pull, mirrors=mirrors)

    def chunks(self, digest: Digest, size: int | None, *, mirrors: bool) -> Iterator[bytes]:
        """The chunks of a blob; a broken connection is gone on with."""
        return download(self._endpoint, digest, size, mirrors=mirrors)

    def put(self, content: Chunks, *, digest: Digest, size: int) -> bool:
        """Upload a blob. False, with nothing sent, when it is there already."""
        try:
            if self._size(digest, scopes=self._endpoint.push, mirrors=False) == size:
                return False
        except (Unauthorized, TooManyRequests, ServerFault):
            raise
        except (RegistryError, NotSupported):
            pass
        self.upload(content, digest=digest, size=size)
        return True

    def upload(self, content: Chunks, *, digest: Digest, size: int) -> None:
        """Upload a blob without asking whether it is there."""
        Upload(self._endpoint, content, digest=digest, size=size, ending=self._ending).run()

    def mount(self, digest: Digest, source: Reference) -> bool:
        """Ask for a cross-repository mount (distribution spec, "Mounting a blob").

        Not where a token is for one repository alone: a mount needs the scopes of two.
        """
        here = self._repository
        is_elsewhere = source.scheme != "registry" or source.registry != here.registry
        if is_elsewhere or self._endpoint.settings.repo_auth:
            return False
        request = Request(
            "POST",
            self._endpoint.path(f"blobs/uploads/?mount={digest}&from={source.repository}"),
            expect=frozenset({201, 202}),
            scopes=(*self._endpoint.push, Scope("repository", source.repository, ("pull",))),
            body=b"",
        )
        try:
            with self._endpoint.send(request) as response:
                if response.status == 201:
                    return True
                session = location_of(response, f"blob {digest} to {here}")
        except (TooManyRequests, ServerFault):
            raise
        except RegistryError:
            return False
        cancel(self._ending(), session)
        return False

    def _size(self, digest: Digest, *, scopes: tuple[Scope, ...], mirrors: bool) -> int:
        path = self._endpoint.path(f"blobs/{digest}")
        methods = ("GET",) if self._endpoint.settings.disable_head else ("HEAD", "GET")
        for method in methods:
            request = Request(method, path, scopes=scopes, mirrors=mirrors)
            try:
                with self._endpoint.send(request) as response:
                    size = size_said(response.headers)
            except RegistryUnsupported:
                continue
            if size is not None:
                return size
        raise NotSupported(f"{self._repository} does not tell the size of blob {digest}")
