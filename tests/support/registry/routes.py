"""From a request to the handler that answers it."""

from __future__ import annotations

import itertools
import re
from urllib.parse import unquote

from support.registry import blobs, listing, manifests
from support.registry.auth import Door
from support.registry.calls import Call, Reply, error
from support.registry.content import Content
from support.registry.quirks import Quirks

_NAME = r"/v2/(?P<repository>[^?]+?)"
_ROUTES = {
    "tags": re.compile(_NAME + r"/tags/list"),
    "manifest": re.compile(_NAME + r"/manifests/(?P<name>[^/]+)"),
    "start": re.compile(_NAME + r"/blobs/uploads/?"),
    "session": re.compile(_NAME + r"/blobs/uploads/(?P<name>[^/]+)"),
    "blob": re.compile(_NAME + r"/blobs/(?P<name>[^/]+)"),
    "referrers": re.compile(_NAME + r"/referrers/(?P<name>[^/]+)"),
}
_ACTIONS = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}


class Router:
    """Answers calls with the content, the quirks and the door it was given."""

    def __init__(self, quirks: Quirks, content: Content, door: Door, storage: str) -> None:
        self._quirks = quirks
        self._content = content
        self._door = door
        self._storage = storage
        self._uploads = blobs.Uploads(quirks, content)
        self._manifest_reads = itertools.count(1)
        self._handlers = {
            ("tags", "GET"): self._tags,
            ("manifest", "GET"): self._read_manifest,
            ("manifest", "HEAD"): self._read_manifest,
            ("manifest", "PUT"): self._put_manifest,
            ("manifest", "DELETE"): self._delete_manifest,
            ("start", "POST"): self._start,
            **{("session", way): self._step for way in ("GET", "PATCH", "PUT", "DELETE")},
            ("blob", "GET"): self._read_blob,
            ("blob", "HEAD"): self._read_blob,
            ("blob", "DELETE"): self._delete_blob,
            ("referrers", "GET"): self._referrers,
        }

    def answer(self, call: Call) -> Reply:
        if call.role == "storage":
            return self._stored(call)
        if call.role == "token" or self._door.serves(call.path):
            return self._door.token(call)
        if call.path in ("/v2/", "/v2"):
            return self._door.refuse(call, "", "") or Reply(200, {}, b"{}")
        if call.path == "/v2/_catalog":
            refused = self._door.refuse(call, "catalog", "*")
            return refused or listing.catalog(self._quirks, call, self._content)
        for kind, pattern in _ROUTES.items():
            match = pattern.fullmatch(unquote(call.path))
            if match:
                groups = match.groupdict()
                return self._route(kind, call, groups["repository"], groups.get("name", ""))
        return Reply(404, {"Content-Type": "text/plain"}, b"404 page not found\n")

    def _route(self, kind: str, call: Call, repository: str, name: str) -> Reply:
        action = _ACTIONS.get(call.method, "push")
        if kind in ("start", "session"):
            action = "push"
        refused = self._door.refuse(call, repository, action)
        if refused is not None:
            return refused
        handle = self._handlers.get((kind, call.method))
        return handle(call, repository, name) if handle else error(405, "UNSUPPORTED")

    def _tags(self, call: Call, repository: str, name: str) -> Reply:
        return listing.tags(self._quirks, call, self._content.known(repository), repository)

    def _referrers(self, call: Call, repository: str, name: str) -> Reply:
        own = self._content.repository(repository)
        return listing.referrers(self._quirks, call, own, name)

    def _put_manifest(self, call: Call, repository: str, name: str) -> Reply:
        return manifests.put(self._quirks, call, self._content.repository(repository), name)

    def _delete_manifest(self, call: Call, repository: str, name: str) -> Reply:
        return manifests.delete(self._quirks, call, self._content, repository, name)

    def _delete_blob(self, call: Call, repository: str, name: str) -> Reply:
        return blobs.delete(self._quirks, self._content.known(repository), name)

    def _start(self, call: Call, repository: str, name: str) -> Reply:
        return self._uploads.start(call, self._content.repository(repository))

    def _step(self, call: Call, repository: str, name: str) -> Reply:
        return self._uploads.step(call, self._content.known(repository), name)

    def _read_manifest(self, call: Call, repository: str, name: str) -> Reply:
        limit, left = self._quirks.rate_limit, {}
        if limit:
            used = next(self._manifest_reads) if call.method == "GET" else 0
            if used > limit:
                return error(429, "TOOMANYREQUESTS", "pull rate limit reached")
            left = {
                "RateLimit-Limit": f"{limit};w=21600",
                "RateLimit-Remaining": f"{limit - used};w=21600",
            }
        reply = manifests.read(self._quirks, call, self._content.known(repository), name)
        return Reply(reply.status, {**reply.headers, **left}, reply.body)

    def _read_blob(self, call: Call, repository: str, digest: str) -> Reply:
        known = self._content.known(repository)
        reply = blobs.read(self._quirks, call, known, digest)
        if self._quirks.blob_redirect and call.method == "GET" and reply.status < 400:
            target = f"{call.scheme}://{self._storage}/{repository}/{digest}?signature=S3CR3T"
            return Reply(307, {"Location": target})
        return reply

    def _stored(self, call: Call) -> Reply:
        """A storage host: knows signatures, and chokes on an Authorization header."""
        repository, _, digest = call.path[1:].rpartition("/")
        if "authorization" in call.headers or call.query.get("signature") != "S3CR3T":
            return Reply(400, {"Content-Type": "application/xml"}, b"<Error>two ways</Error>")
        return blobs.read(self._quirks, call, self._content.known(repository), digest)
