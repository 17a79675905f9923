"""Blobs: reading with ranges and redirects, and every way to upload."""

from __future__ import annotations

import re
import secrets
from urllib.parse import urlencode

from support.registry.calls import Call, Reply, error
from support.registry.content import Content, Repository, digest_of
from support.registry.quirks import Quirks

OCTETS = {"Content-Type": "application/octet-stream"}


def read(quirks: Quirks, call: Call, repository: Repository | None, digest: str) -> Reply:
    content = repository.blobs.get(digest) if repository else None
    if content is None or repository is None:
        return error(404, "BLOB_UNKNOWN", "blob unknown to registry")
    headers = {**OCTETS, "Docker-Content-Digest": digest}
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", call.headers.get("range", ""))
    if match is None or not quirks.blob_ranges:
        return Reply(200, headers, content)
    start = int(match[1])
    if start >= len(content):
        return Reply(416, {"Content-Range": f"bytes */{len(content)}"})
    part = content[start : int(match[2]) + 1 if match[2] else None]
    end = start + len(part) - 1
    headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
    return Reply(206, headers, part)


def delete(quirks: Quirks, repository: Repository | None, digest: str) -> Reply:
    if quirks.manifest_delete == "unsupported":
        return error(405, "UNSUPPORTED")
    if repository is None or repository.blobs.pop(digest, None) is None:
        return error(404, "BLOB_UNKNOWN")
    return Reply(202)


class Uploads:
    """The upload sessions of a registry (distribution spec, "Pushing blobs")."""

    def __init__(self, quirks: Quirks, content: Content) -> None:
        self._quirks = quirks
        self._content = content

    def start(self, call: Call, repository: Repository) -> Reply:
        query = call.query
        if "mount" in query and self._quirks.mounts:
            source = self._content.known(query.get("from", ""))
            content = source.blobs.get(query["mount"]) if source else None
            if content is not None:
                return self._store(repository, query["mount"], content)
        if "digest" in query and call.body:
            return self._finish(repository, query["digest"], call.body)
        session = secrets.token_hex(8)
        repository.uploads[session] = bytearray()
        return self._progress(call, repository, session, 202)

    def step(self, call: Call, repository: Repository | None, session: str) -> Reply:
        """GET, PATCH, PUT or DELETE of a session."""
        stored = repository.uploads.get(session) if repository else None
        if stored is None or repository is None:
            return error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        if call.method == "DELETE":
            del repository.uploads[session]
            return Reply(204)
        if call.method == "GET":
            return self._progress(call, repository, session, 204)
        if self._quirks.changing_location and call.query.get("state") != str(len(stored)):
            return error(404, "BLOB_UPLOAD_UNKNOWN", "the state of the upload is another")
        refused = self._refused(call, stored)
        if refused is not None:
            return refused
        if call.broken("half chunk"):
            stored += call.body[: len(call.body) // 2]
            return Reply(0, close=True)
        stored += call.body
        if call.method == "PATCH":
            return self._progress(call, repository, session, 202)
        del repository.uploads[session]
        return self._finish(repository, call.query.get("digest", ""), bytes(stored))

    def _refused(self, call: Call, stored: bytearray) -> Reply | None:
        if self._quirks.chunk_maximum and len(call.body) > self._quirks.chunk_maximum:
            return error(413, "SIZE_INVALID", "too large")
        if call.method == "PUT" and not stored and call.body and not self._quirks.single_put:
            return error(400, "BLOB_UPLOAD_INVALID", "send it in chunks")
        match = re.fullmatch(r"(?:bytes=)?(\d+)-(\d+)", call.headers.get("content-range", ""))
        if match and int(match[1]) != len(stored):
            return error(416, "BLOB_UPLOAD_INVALID", "chunks out of order", self._range(stored))
        minimum = self._quirks.chunk_minimum
        if call.method == "PATCH" and stored and minimum and len(stored) % minimum:
            return error(400, "BLOB_UPLOAD_INVALID", "the chunk before was too small")
        return None

    def _range(self, stored: bytearray) -> dict[str, str]:
        return {"Range": f"0-{max(0, len(stored) - 1)}"}

    def _progress(self, call: Call, repository: Repository, session: str, status: int) -> Reply:
        stored = repository.uploads[session]
        path = f"/v2/{repository.name}/blobs/uploads/{session}"
        if self._quirks.changing_location:
            path += f"?{urlencode({'state': str(len(stored))})}"
        absolute = self._quirks.location == "absolute"
        location = f"{call.scheme}://{call.host}{path}" if absolute else path
        headers = {"Location": location, "Docker-Upload-UUID": session, **self._range(stored)}
        if self._quirks.chunk_minimum:
            headers["OCI-Chunk-Min-Length"] = str(self._quirks.chunk_minimum)
        return Reply(status, headers)

    def _finish(self, repository: Repository, digest: str, content: bytes) -> Reply:
        algorithm = digest.partition(":")[0]
        if algorithm not in ("sha256", "sha384", "sha512"):
            return error(400, "DIGEST_INVALID", "digest missing or unknown")
        if digest_of(content, algorithm) != digest:
            return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        return self._store(repository, digest, content)

    def _store(self, repository: Repository, digest: str, content: bytes) -> Reply:
        repository.blobs[digest] = content
        location = f"/v2/{repository.name}/blobs/{digest}"
        return Reply(201, {"Location": location, "Docker-Content-Digest": digest})
