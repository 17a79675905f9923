"""A repository of a registry as a store (OCI distribution spec)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from regbot.errors import (
    ConnectionFailed,
    ContentError,
    CredentialError,
    DigestMismatch,
    InvalidValue,
    Malformed,
    NotSupported,
    RegbotError,
    RegistryError,
    RegistryUnsupported,
    RequestError,
    ServerFault,
    TooManyRequests,
    Unauthorized,
)
from regbot.events import Emit, Message, ignore
from regbot.http.exchange import Exchange, Request, Response, Scope
from regbot.http.faults import error_of
from regbot.oci.digest import Digest
from regbot.oci.manifest import MEDIA_TYPES, SCHEMA1, Descriptor, Head, ImageConfig, Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Name, Tag
from regbot.stopping import Stop
from regbot.store.answers import (
    digest_said,
    head_said,
    media_type_said,
    rate_limit_said,
    size_said,
)
from regbot.store.download import download
from regbot.store.endpoint import Endpoint, fetch, location_of
from regbot.store.listing import list_names
from regbot.store.placeholder_delete import LOOK
from regbot.store.presence import Presence
from regbot.store.protocol import Chunks, Written, ignore_writes, read_config
from regbot.store.referrer_tags import Known, Referrers
from regbot.store.registries import Kind, how_to_delete, kind_of, why_no_deletes
from regbot.store.tag_removal import TagRemoval
from regbot.store.upload import Upload, cancel

_SEEN = 64
"""Tags whose last look is remembered."""
_PAGE = "text/html"
"""What a proxy or a page to log in at answers with, in place of a registry."""
_ACCEPT = {"Accept": ", ".join(MEDIA_TYPES)}


class RemoteStore:
    """One repository of one registry; threads may share it.

    ``mirrors``: manifests and blobs may come from the host's mirrors.
    ``stop`` ends what waits. ``bind`` gives an exchange with another Stop, for the one
    step that must not be left half done; such a step is ``urgent``. ``written`` is told
    after each write of a tag or manifest. ``referrers`` is what other stores of the same
    repository share with this one.
    """

    def __init__(
        self,
        exchange: Exchange,
        reference: Reference,
        *,
        emit: Emit = ignore,
        mirrors: bool = True,
        stop: Stop | None = None,
        bind: Callable[[Stop], Exchange] | None = None,
        urgent: bool = False,
        written: Written = ignore_writes,
        referrers: Known | None = None,
    ) -> None:
        self.repository = reference.without_name
        self._written = written
        self._stop = stop or Stop()
        self._bind = bind or (lambda _: exchange)
        self._endpoint = Endpoint(exchange, self.repository, urgent=urgent)
        self._emit = emit
        self._mirrors = mirrors
        self._known_referrers = referrers or Known()
        self._referrers = Referrers(self._endpoint, self, self._known_referrers)
        self._seen: dict[Tag, tuple[float, Manifest]] = {}
        self._presence = Presence(self, self._stop.wait)
        self._removal = TagRemoval(
            self._presence,
            finishing=self._finishing,
            emit=emit,
            kind=self._kind,
            turn=self._endpoint.turn,
        )

    def _finishing(self, seconds: float, by: float) -> Presence:
        """See ``placeholder_delete.Finishing``."""
        stop = self._stop.to_finish(seconds, by)
        exchange = self._bind(stop)
        store = RemoteStore(
            exchange,
            self.repository,
            mirrors=False,
            stop=stop,
            urgent=True,
            written=self._written,
            referrers=self._known_referrers,
        )
        return Presence(store, stop.wait)

    def _ending(self) -> Endpoint:
        """To take back what would be left behind, also of a run that has to end."""
        return Endpoint(self._bind(self._stop.to_finish(*LOOK)), self.repository)

    def _kind(self) -> Kind:
        return kind_of(self._endpoint.exchange, self.repository.registry)

    @property
    def last_tag_takes_manifest(self) -> bool:
        """So on some kinds of registries; see ``registries``."""
        return self._kind().last_tag_takes_manifest

    def tags(self, *, limit: int | None = None, last: str = "") -> list[Tag]:
        """The tags after ``last``, page by page; see ``listing``.

        A mirror is asked only where the registry itself can't be reached, and then for
        the whole list, so that no list is put together from two places.
        """
        try:
            return self._tags(limit, last)
        except (ConnectionFailed, ServerFault, TooManyRequests) as error:
            for mirror in self._mirrors_in_order():
                try:
                    tags = self._tags(limit, last, mirror)
                except (RequestError, CredentialError, ContentError):
                    continue
                text = f"the tags of {self.repository} come from its mirror {mirror}: {error}"
                self._emit(Message("warn", text, {"mirror": mirror}))
                return tags
            raise

    def _mirrors_in_order(self) -> list[str]:
        """The mirrors that reads may come from, the lower priority first."""
        exchange, settings = self._endpoint.exchange, self._endpoint.settings
        mirrors = settings.mirrors if self._mirrors else ()
        names = [name for name in mirrors if name != settings.name]
        return sorted(names, key=lambda name: exchange.host(name).priority)

    def _tags(self, limit: int | None, last: str, mirror: str = "") -> list[Tag]:
        """The tags as the registry has them, or one of its mirrors."""
        path = self._endpoint.path("tags/list")

        def get(url: str) -> Response:
            return self._endpoint.send(
                Request("GET", url, scopes=self._endpoint.pull, mirror=mirror)
            )

        began = self._known_referrers.clock()
        names = list_names(get, path, "tags", limit=limit, last=last)
        try:
            tags = [Tag.parse(name) for name in names]
        except InvalidValue as error:
            raise Malformed(f"the list of tags of {self.repository}: {error}") from None
        if limit is None and not (last or mirror):
            self._known_referrers.listed(began, tags)
        return tags

    def head(self, name: Name) -> Head:
        """HEAD of a manifest; a GET where the host or its answer asks for one."""
        return self._head(name, mirrors=self._mirrors)

    def original_tags(self, limit: int) -> list[Tag]:
        """The first tags, never from a mirror."""
        return self._tags(limit, "")

    def glance(self, name: Name) -> Head | None:
        """What a HEAD alone tells of a manifest; None where those of the host tell too little."""
        return self._by_head(name, mirrors=self._mirrors)

    def original_head(self, name: Name) -> Head:
        """The same, and never from a mirror."""
        return self._head(name, mirrors=False)

    def manifest(self, name: Name) -> Manifest:
        """GET of a manifest with its exact bytes, checked."""
        manifest = self._manifest(name, mirrors=self._mirrors)
        if not isinstance(name, Digest) and not self._mirrors:
            self._seen[name] = (time.monotonic(), manifest)
            while len(self._seen) > _SEEN:
                self._seen.pop(next(iter(self._seen)), None)
        return manifest

    def seen_at(self, tag: Tag) -> tuple[float, Manifest] | None:
        """The last look at a tag, as long as it is remembered; never one at a mirror."""
        return self._seen.get(tag)

    def original(self, name: Name) -> Manifest:
        """The same, and never from a mirror."""
        return self._manifest(name, mirrors=False)

    def blob_size(self, digest: Digest) -> int:
        """Content-Length of a blob."""
        return self._blob_size(digest, scopes=self._endpoint.pull, mirrors=self._mirrors)

    def blob(self, digest: Digest, size: int | None = None) -> Iterator[bytes]:
        """The chunks of a blob; a broken connection is gone on with."""
        return download(self._endpoint, digest, size, mirrors=self._mirrors)

    def config(self, image: Manifest, *, limit: int) -> ImageConfig:
        """The config of an image."""
        return read_config(self, image, limit=limit)

    def referrers(self, digest: Digest, artifact_type: str = "") -> list[Descriptor]:
        """From the referrers API, else from the fallback tag."""
        return self._referrers.of(digest, artifact_type)

    def put_manifest(self, name: Name, manifest: Manifest) -> None:
        """PUT the exact bytes; the fallback tag of a subject is kept up where needed."""
        taken_up = self._put(name, manifest)
        if manifest.subject is not None and not taken_up:
            self._referrers.add(manifest, manifest.subject.digest)

    def write(self, name: Name, manifest: Manifest, *, retry: bool = True) -> None:
        """PUT the exact bytes and nothing else; ``retry`` False sends them once."""
        self._put(name, manifest, retry=retry)

    def delete_manifest(self, digest: Digest) -> None:
        """DELETE by digest; the fallback tag of its subject is kept up where needed."""
        subject = self._subject_listed_by_tag(digest)
        self._presence.remove(digest)
        if self._presence.last_seen([digest], self._kind().settles_within):
            raise NotSupported(f"the registry said that {digest} was deleted, but it is there")
        if subject is None:
            return
        try:
            self._referrers.remove(digest, subject)
        except (RequestError, ContentError, NotSupported) as error:
            text = f"{digest} is deleted, but still listed as a referrer of {subject}: {error}"
            self._emit(Message("warn", text))

    def delete_tag(self, tag: Tag, digest: Digest) -> None:
        """Delete one tag; see ``tag_removal``."""
        self._removal.delete(tag, digest)

    def lacks_referrers(self, digest: Digest, /) -> bool:
        """So where there is no referrers API, and a list of tags shows no fallback tag."""
        return self._referrers.are_none(digest)

    @property
    def deletes_at_finish(self) -> bool:
        """Never: only the look afterwards is left to the end."""
        return False

    def begin_delete(self, tag: Tag, digest: Digest) -> bool:
        """Delete one tag; True where it is still to be read back."""
        return self._removal.begin(tag, digest)

    def finish_deletes(self, tags: Mapping[Tag, Digest]) -> Mapping[Tag, RegbotError]:
        """Read deleted tags back."""
        return self._removal.finish(tags)

    def remove(self, name: Name) -> None:
        """DELETE a tag or digest and nothing else."""
        request = Request(
            "DELETE",
            self._endpoint.path(f"manifests/{name}"),
            expect=frozenset({200, 202, 204}),
            scopes=self._endpoint.delete,
        )
        try:
            self._endpoint.send(request).close()
        except RegistryUnsupported as error:
            if not isinstance(name, Digest):
                raise
            kind = self._kind()
            advice = how_to_delete(kind, self.repository.registry)
            self._emit(Message("warn", advice, is_general=True))
            refusal = error.with_advice(why_no_deletes(kind))
            refusal.add_note(advice)
            raise refusal from None
        finally:
            self._written(self.repository, None if isinstance(name, Digest) else name)

    def put_blob(self, content: Chunks, *, digest: Digest, size: int) -> bool:
        """Upload a blob. False, with nothing sent, when it is there already."""
        try:
            if self._blob_size(digest, scopes=self._endpoint.push, mirrors=False) == size:
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

    def mount_blob(self, digest: Digest, source: Reference) -> bool:
        """Ask for a cross-repository mount (distribution spec, "Mounting a blob").

        Not where a token is for one repository alone: a mount needs the scopes of two.
        """
        here = self.repository
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

    def _manifest_request(self, method: str, name: Name, *, mirrors: bool) -> Request:
        return Request(
            method,
            self._endpoint.path(f"manifests/{name}"),
            scopes=self._endpoint.pull,
            headers=_ACCEPT,
            mirrors=mirrors,
        )

    def _head(self, name: Name, *, mirrors: bool) -> Head:
        head = self._by_head(name, mirrors=mirrors)
        if head is not None:
            return head
        manifest = self._manifest(name, mirrors=mirrors)
        return Head(manifest.media_type, manifest.digest, manifest.size, manifest.rate_limit)

    def _by_head(self, name: Name, *, mirrors: bool) -> Head | None:
        if self._endpoint.settings.disable_head:
            return None
        try:
            with self._endpoint.send(
                self._manifest_request("HEAD", name, mirrors=mirrors)
            ) as response:
                head = head_said(response.headers)
        except RegistryUnsupported:
            return None
        return head if head is not None and _fits(name, head.digest) else None

    def _manifest(self, name: Name, *, mirrors: bool) -> Manifest:
        reference = str(self.repository.with_name(name))
        request = self._manifest_request("GET", name, mirrors=mirrors)
        limit = self._endpoint.exchange.blob_limit
        body, answer = fetch(partial(self._endpoint.send, request), limit)
        asked = name if isinstance(name, Digest) else None
        try:
            manifest = Manifest.parse(
                body,
                media_type_said(answer.headers),
                algorithm=asked.algorithm if asked else "sha256",
                rate_limit=rate_limit_said(answer.headers),
            )
        except ContentError as error:
            raise type(error)(f"{reference}: {error}") from None
        _check(manifest, asked or digest_said(answer.headers), reference)
        return manifest

    def _put(self, name: Name, manifest: Manifest, *, retry: bool = True) -> bool:
        """Whether the registry lists it as a referrer of its subject itself."""
        reference = str(self.repository.with_name(name))
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
            self._written(self.repository, None)

    def _subject_listed_by_tag(self, digest: Digest) -> Digest | None:
        """The subject of a manifest, where a fallback tag lists what refers to it."""
        if self._referrers.has_api(digest):
            return None
        try:
            subject = self.original(digest).subject
        except ContentError:
            return None
        return subject.digest if subject else None

    def _blob_size(self, digest: Digest, *, scopes: tuple[Scope, ...], mirrors: bool) -> int:
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
        raise NotSupported(f"{self.repository} does not tell the size of blob {digest}")


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
