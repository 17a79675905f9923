"""Sends one blob: in a single PUT, or in chunks that a failure does not lose.

Distribution spec, "Pushing blobs". Only one chunk is held in memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from regbot.errors import (
    ConnectionFailed,
    Forbidden,
    RegbotError,
    RegistryError,
    RegistryNotFound,
    ServerFault,
    SizeMismatch,
    TooManyRequests,
    Unauthorized,
)
from regbot.http.exchange import Request, Response
from regbot.oci.digest import Digest, verified
from regbot.oci.manifest import MEBIBYTE
from regbot.store.endpoint import Endpoint, location_of, with_query
from regbot.store.protocol import Checked, Chunks

DEFAULT_CHUNK = 4 * MEBIBYTE
ALWAYS_ONE_PUT = -1

_RESUMES = 5
_OCTETS = "application/octet-stream"
_RANGE = re.compile(r"(?:bytes=)?0-(\d+)")
_BROKEN_OFF = (ConnectionFailed, ServerFault, TooManyRequests)
_OUT_OF_ORDER = 416


class Upload:
    """One blob on its way. ``run`` either ends with the blob stored or raises.

    ``ending`` gives the endpoint that takes back an upload, also when the run has to end.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        content: Chunks,
        *,
        digest: Digest,
        size: int,
        ending: Callable[[], Endpoint],
    ) -> None:
        self._endpoint = endpoint
        self._ending = ending
        self._content = content
        self._digest = digest
        self._size = size
        self._what = f"blob {digest} to {endpoint.reference}"
        self._location = ""
        self._smallest_chunk = 0

    def run(self) -> None:
        """Send it; whatever fails, no upload session is left behind."""
        largest = self._endpoint.settings.blob_max
        in_chunks = largest is not None and largest > 0 and self._size > largest
        done = False
        try:
            self._start()
            if in_chunks or not self._single_put():
                self._in_chunks()
            done = True
        finally:
            if not done:
                cancel(self._ending(), self._location)

    def _start(self) -> None:
        request = Request(
            "POST",
            self._endpoint.path("blobs/uploads/"),
            expect=frozenset({202}),
            scopes=self._endpoint.push,
            body=b"",
        )
        with self._endpoint.send(request) as response:
            self._location = location_of(response, self._what)
            smallest = response.headers.get("OCI-Chunk-Min-Length", "")
        self._smallest_chunk = int(smallest) if smallest.isascii() and smallest.isdigit() else 0

    def _whole(self) -> Iterable[bytes]:
        if isinstance(self._content, Checked):
            return self._content()
        return verified(self._content(), digest=self._digest, size=self._size, what=self._what)

    def _single_put(self) -> bool:
        """Whether one PUT did it; else a new session is open for chunks."""
        request = Request(
            "PUT",
            with_query(self._location, f"digest={self._digest}"),
            expect=frozenset({201, 204}),
            scopes=self._endpoint.push,
            headers={"Content-Type": _OCTETS},
            body=self._whole if self._size else b"",
            length=self._size,
            retry=False,
        )
        try:
            self._endpoint.send(request).close()
        except (Unauthorized, Forbidden):
            raise
        except (RegistryError, ConnectionFailed) as error:
            if isinstance(error, RegistryError) and "DIGEST_INVALID" in error.codes:
                raise
            if self._is_there():
                return True
            if self._endpoint.settings.blob_max == ALWAYS_ONE_PUT:
                raise
            cancel(self._endpoint, self._location)
            self._location = ""
            self._start()
            return False
        return True

    def _is_there(self) -> bool:
        """Whether the blob is stored: an answer may have got lost after the work."""
        try:
            path = self._endpoint.path(f"blobs/{self._digest}")
            self._endpoint.send(Request("HEAD", path, scopes=self._endpoint.push)).close()
        except RegistryError:
            return False
        return True

    def _in_chunks(self) -> None:
        wanted = self._endpoint.settings.blob_chunk or DEFAULT_CHUNK
        size = max(wanted, self._smallest_chunk, 1)
        offset, resumes = 0, 0
        source = _Source(self._whole, size)
        while offset < self._size:
            before = offset
            try:
                offset = self._patch(source.at(offset), offset)
            except (RegistryError, ConnectionFailed) as error:
                if resumes >= _RESUMES or not _worth_a_resume(error):
                    raise
                offset = self._offset_after(error)
            resumes = 0 if offset > before else resumes + 1
            if resumes > _RESUMES:
                raise SizeMismatch(f"{self._what}: the registry keeps only {offset} bytes")
        source.finish()
        self._close()

    def _patch(self, chunk: bytes, offset: int) -> int:
        """Send a chunk; the offset that comes next."""
        end = offset + len(chunk)
        request = Request(
            "PATCH",
            self._location,
            expect=frozenset({202, 204}),
            scopes=self._endpoint.push,
            headers={"Content-Type": _OCTETS, "Content-Range": f"{offset}-{end - 1}"},
            body=chunk,
            length=len(chunk),
            retry=False,
        )
        with self._endpoint.send(request) as response:
            self._location = location_of(response, self._what)
            return end if end == 1 else _stored(response, end)

    def _offset_after(self, error: RegbotError) -> int:
        """How much of the blob the registry has (GET of the session).

        A session that is lost begins anew.
        """
        request = Request(
            "GET",
            self._location,
            expect=frozenset({200, 202, 204}),
            scopes=self._endpoint.push,
        )
        try:
            with self._endpoint.send(request) as response:
                if "Location" in response.headers:
                    self._location = location_of(response, self._what)
                return min(_stored(response, 0), self._size)
        except RegistryNotFound:
            self._start()
            return 0
        except RegistryError:
            raise error from None

    def _close(self) -> None:
        request = Request(
            "PUT",
            with_query(self._location, f"digest={self._digest}"),
            expect=frozenset({201, 204}),
            scopes=self._endpoint.push,
            headers={"Content-Type": _OCTETS},
            body=b"",
            length=0,
            retry=False,
        )
        try:
            self._endpoint.send(request).close()
        except _BROKEN_OFF:
            if not self._is_there():
                raise


class _Source:
    """Content read forward in pieces, begun anew when an earlier byte is wanted."""

    def __init__(self, content: Chunks, size: int) -> None:
        self._content = content
        self._size = size
        self._chunks: Iterator[bytes] = iter(content())
        self._buffer = bytearray()
        self._start = 0

    def at(self, offset: int) -> bytes:
        """Up to ``size`` bytes from ``offset`` on."""
        if offset < self._start:
            self._chunks, self._start = iter(self._content()), 0
            self._buffer.clear()
        end = offset + self._size
        while self._start + len(self._buffer) < end:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._buffer += chunk
            self._forget_before(offset)
        self._forget_before(offset)
        return bytes(self._buffer[: self._size])

    def finish(self) -> None:
        """Read to the end, so that the content's own check has its say."""
        for _ in self._chunks:
            continue

    def _forget_before(self, offset: int) -> None:
        surplus = min(offset - self._start, len(self._buffer))
        if surplus > 0:
            del self._buffer[:surplus]
            self._start += surplus


def cancel(endpoint: Endpoint, location: str) -> None:
    """End an upload session, if one is open; a failure to do so changes nothing."""
    if not location:
        return
    request = Request(
        "DELETE",
        location,
        expect=frozenset({200, 202, 204, 404}),
        scopes=endpoint.push,
        retry=False,
    )
    try:
        endpoint.send(request).close()
    except RegbotError:
        return


def _stored(response: Response, unsaid: int) -> int:
    """Bytes the registry has by its Range header; ``0-0`` also means nothing yet."""
    match = _RANGE.fullmatch(response.headers.get("Range", "").strip())
    if match is None:
        return unsaid
    last = int(match[1])
    return last + 1 if last else 0


def _worth_a_resume(error: RegistryError | ConnectionFailed) -> bool:
    if isinstance(error, RegistryError) and error.status == _OUT_OF_ORDER:
        return True
    if isinstance(error, ConnectionFailed):
        return error.retry
    return isinstance(error, _BROKEN_OFF)
