"""Reads a blob, and goes on where a connection broke off.

Distribution spec, "Pulling blobs"; RFC 9110, section 14, for Range.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from regbot.errors import ConnectionFailed, Malformed, RegistryError
from regbot.http.exchange import OK, Request, Response
from regbot.oci.digest import Digest, verified
from regbot.oci.manifest import MEBIBYTE
from regbot.store.endpoint import Endpoint

_TRIES = 5
_PROGRESS = 8 * MEBIBYTE
"""Bytes after which a broken connection counts as the first again."""
_RANGE_REFUSED = 416


def download(
    endpoint: Endpoint, digest: Digest, size: int | None, *, mirrors: bool
) -> Iterator[bytes]:
    """The chunks of a blob; raises at the end unless digest and size fit."""
    what = f"blob {digest} of {endpoint.reference}"
    chunks = _unbroken(endpoint, digest, what, mirrors=mirrors)
    return verified(chunks, digest=digest, size=size, what=what)


def _unbroken(endpoint: Endpoint, digest: Digest, what: str, *, mirrors: bool) -> Iterator[bytes]:
    passed, mark, failures = 0, 0, 0
    while True:
        try:
            for chunk in _from(endpoint, digest, passed, what, mirrors=mirrors):
                passed += len(chunk)
                yield chunk
        except ConnectionFailed as error:
            if passed - mark >= _PROGRESS:
                mark, failures = passed, 0
            failures += 1
            if failures >= _TRIES or not error.retry:
                raise
        else:
            return


def _from(
    endpoint: Endpoint, digest: Digest, start: int, what: str, *, mirrors: bool
) -> Iterator[bytes]:
    """The chunks from byte ``start`` on."""
    with _ask(endpoint, digest, start, mirrors=mirrors) as response:
        if response.status == 206 and start:
            began = response.headers.get("Content-Range", "")
            if not began.replace("=", " ").startswith(f"bytes {start}-"):
                raise Malformed(f"{what}: asked from byte {start} on, got {began or 'no range'}")
            start = 0
        yield from _skip(response.chunks(), start) if start else response.chunks()


def _ask(endpoint: Endpoint, digest: Digest, start: int, *, mirrors: bool) -> Response:
    request = Request(
        "GET", endpoint.path(f"blobs/{digest}"), scopes=endpoint.pull, mirrors=mirrors
    )
    if start:
        ranged = {"Range": f"bytes={start}-"}
        try:
            return endpoint.send(replace(request, expect=OK | {206}, headers=ranged))
        except RegistryError as error:
            if error.status != _RANGE_REFUSED:
                raise
    return endpoint.send(request)


def _skip(chunks: Iterator[bytes], count: int) -> Iterator[bytes]:
    """Leave out the first ``count`` bytes: the answer began anew."""
    for chunk in chunks:
        if count >= len(chunk):
            count -= len(chunk)
            continue
        yield chunk[count:]
        count = 0
