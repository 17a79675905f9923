"""A repository of a registry as a store (OCI distribution spec)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from regbot.errors import (
    ConnectionFailed,
    ContentError,
    CredentialError,
    InvalidValue,
    Malformed,
    NotSupported,
    RegbotError,
    RegistryUnsupported,
    RequestError,
    ServerFault,
    TooManyRequests,
)
from regbot.events import Emit, Message, ignore
from regbot.http.exchange import Exchange, Request, Response
from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor, Head, ImageConfig, Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Name, Tag
from regbot.stopping import Stop
from regbot.store.endpoint import Endpoint
from regbot.store.listing import list_names
from regbot.store.placeholder_delete import LOOK
from regbot.store.presence import Presence
from regbot.store.protocol import Chunks, Written, ignore_writes, read_config
from regbot.store.referrer_tags import Known, Referrers
from regbot.store.registries import Kind, how_to_delete, kind_of, why_no_deletes
from regbot.store.remote_blobs import RemoteBlobs
from regbot.store.remote_manifests import RemoteManifests
from regbot.store.tag_removal import TagRemoval

_SEEN = 64
"""Tags whose last look is remembered."""


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
        self._manifests = RemoteManifests(self._endpoint, self.repository, written)
        self._blobs = RemoteBlobs(self._endpoint, self.repository, self._ending)
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
        return self._manifests.head(name, mirrors=self._mirrors)

    def original_tags(self, limit: int) -> list[Tag]:
        """The first tags, never from a mirror."""
        return self._tags(limit, "")

    def glance(self, name: Name) -> Head | None:
        """What a HEAD alone tells of a manifest; None where those of the host tell too little."""
        return self._manifests.glance(name, mirrors=self._mirrors)

    def original_head(self, name: Name) -> Head:
        """The same, and never from a mirror."""
        return self._manifests.head(name, mirrors=False)

    def manifest(self, name: Name) -> Manifest:
        """GET of a manifest with its exact bytes, checked."""
        manifest = self._manifests.get(name, mirrors=self._mirrors)
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
        return self._manifests.get(name, mirrors=False)

    def blob_size(self, digest: Digest) -> int:
        """Content-Length of a blob."""
        return self._blobs.size(digest, mirrors=self._mirrors)

    def blob(self, digest: Digest, size: int | None = None) -> Iterator[bytes]:
        """The chunks of a blob; a broken connection is gone on with."""
        return self._blobs.chunks(digest, size, mirrors=self._mirrors)

    def config(self, image: Manifest, *, limit: int) -> ImageConfig:
        """The config of an image."""
        return read_config(self, image, limit=limit)

    def referrers(self, digest: Digest, artifact_type: str = "") -> list[Descriptor]:
        """From the referrers API, else from the fallback tag."""
        return self._referrers.of(digest, artifact_type)

    def put_manifest(self, name: Name, manifest: Manifest) -> None:
        """PUT the exact bytes; the fallback tag of a subject is kept up where needed."""
        taken_up = self._manifests.put(name, manifest)
        if manifest.subject is not None and not taken_up:
            self._referrers.add(manifest, manifest.subject.digest)

    def write(self, name: Name, manifest: Manifest, *, retry: bool = True) -> None:
        """PUT the exact bytes and nothing else; ``retry`` False sends them once."""
        self._manifests.put(name, manifest, retry=retry)

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
        return self._blobs.put(content, digest=digest, size=size)

    def upload(self, content: Chunks, *, digest: Digest, size: int) -> None:
        """Upload a blob without asking whether it is there."""
        self._blobs.upload(content, digest=digest, size=size)

    def mount_blob(self, digest: Digest, source: Reference) -> bool:
        """Ask for a cross-repository mount."""
        return self._blobs.mount(digest, source)

    def _subject_listed_by_tag(self, digest: Digest) -> Digest | None:
        """The subject of a manifest, where a fallback tag lists what refers to it."""
        if self._referrers.has_api(digest):
            return None
        try:
            subject = self.original(digest).subject
        except ContentError:
            return None
        return subject.digest if subject else None
