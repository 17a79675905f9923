"""regbot from Python: the rooms that scripts use, as a small typed library.

    from regbot import Client

    with Client(config="regbot.yml", dry_run=True) as client:
        for tag in client.tags("registry.example.org/team/app"):
            print(tag, client.head(f"registry.example.org/team/app:{tag}").digest)

Every method takes references as text or as a Reference. What can't be done raises
an error of ``regbot.errors``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from regbot.config.load import read_config
from regbot.config.values import Config
from regbot.errors import InvalidValue
from regbot.events import Emit, ignore
from regbot.http.hosts import ClientSettings, HostSettings
from regbot.http.transport import Transport
from regbot.image.copy import CopyOptions
from regbot.image.facts import created, image_size
from regbot.image.resolve import image_of
from regbot.journal.journal import default_state
from regbot.journal.slot import JournalSettings, JournalSlot
from regbot.oci.digest import Digest
from regbot.oci.manifest import Descriptor, Head, ImageConfig, Manifest
from regbot.oci.platform import Platform
from regbot.oci.reference import DEFAULT_TAG, Reference, parse_registry
from regbot.oci.tag import Tag
from regbot.plan.action import Action, CopyImage, DeleteManifest, DeleteTag, PutManifest
from regbot.plan.executor import Terms
from regbot.plan.guard import Guard
from regbot.plan.outcome import Outcome, Outcomes
from regbot.plan.session import open_session
from regbot.rules.in_use.answers import Answers
from regbot.rules.in_use.sightings import Sightings
from regbot.stopping import Stop
from regbot.store.cache_folder import open_cache
from regbot.store.protocol import ReadStore
from regbot.store.views import Reading

Named = str | Reference


class Client:
    """Registries and layout folders, to read and to change.

    Use it in a ``with``, or call ``close``. Threads may share it.
    """

    def __init__(
        self,
        *,
        config: str | Path | None = None,
        hosts: Iterable[HostSettings] = (),
        docker_config: bool = True,
        dry_run: bool = False,
        journal: str | Path | None = None,
        timeout: float | None = None,
        emit: Emit = ignore,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Nothing is asked of a registry yet.

        ``config`` is a YAML file whose ``creds`` and ``defaults`` count, of its guard
        ``protect`` alone; its sources of images in use are read once, at the first delete.
        ``hosts`` are added to it, and win. ``docker_config`` False leaves docker's files
        alone. ``dry_run`` records changes and shows them to later reads, and makes none.
        ``journal`` is a folder in which is saved what deletes take away, for
        ``regbot undo``. ``timeout`` is in seconds and for all calls together.
        ``emit`` hears what happens. Raises ConfigError.
        """
        self._stop = Stop(timeout=timeout)
        self._outcomes = Outcomes()
        self._ending = ExitStack()
        read = (
            read_config(str(config), environ=environment, stdin=sys.stdin.buffer)
            if config
            else None
        )
        settings = _settings(read, tuple(hosts), environment, docker_config=docker_config)
        transport = Transport(settings, emit=emit)
        self._ending.callback(transport.close)
        self._limit = transport.bind(self._stop).blob_limit
        slot = _slot(journal) if journal and not dry_run else None
        if slot:
            self._ending.callback(slot.finish, "done")
        guard = read.defaults.guard if read else Guard()
        in_use = None
        if read and read.defaults.in_use.sources:
            sightings = Sightings(read.state or default_state(), time.time)
            answers = Answers(environment, sightings, emit, self._stop, record=not dry_run)
            self._ending.callback(answers.close)
            in_use = answers.of(read.defaults.in_use, self._stop)
        terms = Terms(dry_run=dry_run, guard=guard, in_use=in_use, journal=slot)
        cache = open_cache(read.cache.folder, read.cache.size, emit) if read else None
        if cache:
            self._ending.callback(cache.close)
        session = open_session(
            "",
            transport.bind,
            stop=self._stop,
            emit=emit,
            outcomes=self._outcomes,
            terms=terms,
            reading=Reading(read.readahead if read else 0, cache),
        )
        self._session = self._ending.enter_context(session)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Clean up layout folders that were changed, and let go of connections."""
        self._ending.close()

    def stop(self) -> None:
        """End what runs, from another thread: its calls raise Stopped."""
        self._stop.ask()

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What became of every change so far, in order."""
        return self._outcomes.all

    def repositories(self, registry: str, *, limit: int | None = None, last: str = "") -> list[str]:
        """The names of a registry's repositories, where it lists them."""
        stores = self._session.stores
        return stores.repositories(parse_registry(registry), limit=limit, last=last)

    def tags(self, repository: Named, *, limit: int | None = None, last: str = "") -> list[Tag]:
        """The tags of a repository, all pages of them unless ``limit`` is given."""
        return self._open(repository)[1].tags(limit=limit, last=last)

    def head(self, name: Named) -> Head:
        """Media type, digest, size and rate limit of a manifest."""
        reference, store = self._open(name)
        return store.head(reference.name)

    def manifest(self, name: Named, platform: str = "") -> Manifest:
        """A manifest or index as it is; with ``platform``, the image an index has for it."""
        reference, store = self._open(name)
        manifest = store.manifest(reference.name)
        return image_of(store, manifest, Platform.parse(platform)) if platform else manifest

    def config(self, name: Named, platform: str = "") -> ImageConfig:
        """The config of an image; without ``platform``, of the local one."""
        reference, store = self._open(name)
        wanted = Platform.parse(platform) if platform else None
        image = image_of(store, store.manifest(reference.name), wanted)
        return store.config(image, limit=self._limit)

    def blob(self, repository: Named, digest: str) -> Iterator[bytes]:
        """The chunks of a blob. The last step raises unless they fit the digest."""
        return self._open(repository)[1].blob(Digest.parse(digest))

    def referrers(self, name: Named, artifact_type: str = "") -> list[Descriptor]:
        """What refers to a manifest by its subject."""
        reference, store = self._open(name)
        digest = reference.digest or store.head(reference.name).digest
        return store.referrers(digest, artifact_type)

    def created(self, name: Named) -> datetime | None:
        """When an image was made, in UTC; None when that is not known."""
        reference, store = self._open(name)
        return created(store, reference.name, blob_limit=self._limit)

    def size(self, name: Named) -> int:
        """Bytes of the distinct blobs of an image, all platforms of it."""
        reference, store = self._open(name)
        return image_size(store, reference.name, stop=self._stop)

    def tag_delete(self, name: Named, *, expected: str = "", reason: str = "") -> Outcome:
        """Delete one tag and nothing else; ``expected`` is the digest it has to have.

        The outcome is ``skipped`` where the tag has another digest.
        """
        reference = _reference(name, default_tag=None)
        if not reference.tag:
            raise InvalidValue(f"{reference} names no tag")
        decided = Digest.parse(expected) if expected else reference.digest
        return self._do(DeleteTag(reference, reason, decided))

    def manifest_delete(self, name: Named, *, reason: str = "") -> Outcome:
        """Delete a manifest by digest, and with it every tag on it."""
        reference = _reference(name)
        if not reference.digest:
            raise InvalidValue(f"{reference} names no digest")
        return self._do(DeleteManifest(reference, reference.digest, reason))

    def manifest_put(self, name: Named, manifest: Manifest, *, reason: str = "") -> Outcome:
        """Store a manifest's exact bytes under a tag or digest."""
        return self._do(PutManifest(_reference(name), manifest, reason))

    def image_copy(
        self,
        source: Named,
        target: Named,
        options: CopyOptions = CopyOptions(),
        *,
        reason: str = "",
    ) -> Outcome:
        """Copy an image with all it consists of; what the target has is not sent."""
        return self._do(CopyImage(_reference(source), _reference(target), options, reason))

    def _do(self, action: Action) -> Outcome:
        return self._session.executor.execute(action)

    def _open(self, name: Named) -> tuple[Reference, ReadStore]:
        reference = _reference(name)
        return reference, self._session.stores.open(reference)


def _reference(name: Named, *, default_tag: Tag | None = DEFAULT_TAG) -> Reference:
    return name if isinstance(name, Reference) else Reference.parse(name, default_tag=default_tag)


def _settings(
    config: Config | None,
    hosts: tuple[HostSettings, ...],
    environment: Mapping[str, str],
    *,
    docker_config: bool,
) -> ClientSettings:
    settings = config.client if config else ClientSettings(environment=dict(environment))
    names = {host.name for host in hosts}
    kept = tuple(host for host in settings.hosts if host.name not in names)
    wanted = settings.use_docker_config and docker_config
    return replace(settings, hosts=(*kept, *hosts), use_docker_config=wanted)


def _slot(folder: str | Path) -> JournalSlot:
    settings = JournalSettings(Path(folder), keep=float("inf"), config="", fingerprint="")
    return JournalSlot(settings, "library")
