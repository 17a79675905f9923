"""The views through which a run reads: read-ahead, over the cache, over the registry."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from regbot.events import Emit, ignore
from regbot.http.exchange import Exchange
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.stopping import Clock
from regbot.store.ahead import Background, Threads
from regbot.store.cache import Cache
from regbot.store.cache_folder import CacheFolder
from regbot.store.opener import OpenStores
from regbot.store.protocol import ReadStore
from regbot.store.readahead import Host, Readahead
from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """How a run reads registries. ``readahead`` is the largest window, 0 for none."""

    readahead: int = 0
    cache: CacheFolder | None = None


class CachedStores:
    """Opens repositories for reading through the cache, if there is one, each once.

    Layout folders are read as they are. Threads may share it.
    """

    def __init__(
        self,
        base: OpenStores,
        cache: CacheFolder | None,
        *,
        emit: Emit = ignore,
        clock: Clock = time.monotonic,
    ) -> None:
        self._base = base
        self._cache = cache
        self._emit = emit
        self._clock = clock
        self._lock = threading.Lock()
        self._stores: dict[Reference, Cache] = {}

    def open(self, reference: Reference) -> ReadStore:
        """The view of the reference's repository. Nothing is asked of it yet."""
        key = reference.without_name
        if self._cache is None or key.scheme == "ocidir":
            return self._base.open(key)
        with self._lock:
            if key not in self._stores:
                self._stores[key] = Cache(
                    self._base.registry(key),
                    self._cache.shelf(key),
                    emit=self._emit,
                    clock=self._clock,
                )
            return self._stores[key]

    def repositories(self, registry: str, *, limit: int | None = None, last: str = "") -> list[str]:
        """The names of a registry's repositories, asked for each time."""
        return self._base.repositories(registry, limit=limit, last=last)


class Views:
    """Opens repositories for reading as a script does, each once; threads may share it.

    Layout folders are read as they are. ``direct`` reads the same without read-ahead: what
    isn't a script's own question would disturb what is learned from those. ``background``
    makes what fetches ahead, with so many threads.
    """

    def __init__(
        self,
        base: OpenStores,
        exchange: Exchange,
        reading: Reading,
        *,
        emit: Emit = ignore,
        clock: Clock = time.monotonic,
        background: Callable[[int], Background] = Threads,
    ) -> None:
        self.direct = CachedStores(base, reading.cache, emit=emit, clock=clock)
        self._exchange = exchange
        self._most = reading.readahead
        self._emit = emit
        self._clock = clock
        self._background = background
        self._lock = threading.RLock()
        self._stores: dict[Reference, ReadStore] = {}
        self._hosts: dict[str, Host] = {}

    def open(self, reference: Reference) -> ReadStore:
        """The view of the reference's repository. Nothing is asked of it yet."""
        key = reference.without_name
        with self._lock:
            if key not in self._stores:
                self._stores[key] = self._view(key)
            return self._stores[key]

    def repositories(self, registry: str, *, limit: int | None = None, last: str = "") -> list[str]:
        """The names of a registry's repositories, asked for each time."""
        names = self.direct.repositories(registry, limit=limit, last=last)
        if self._most:
            with self._lock:
                self._host(registry).expect(names)
        return names

    def written(self, repository: Reference, tag: Tag | None) -> None:
        """Something was written to a repository, by whichever of its names; see ``Written``."""
        names = self._exchange.names(repository.registry)
        with self._lock:
            hosts = [self._hosts[name] for name in names if name in self._hosts]
            keys = [replace(repository.without_name, registry=name) for name in names]
            stores = [self._stores[key] for key in keys if key in self._stores]
        for host in hosts:
            host.forget(repository.repository)
        for store in stores:
            if isinstance(store, Readahead):
                store.forget(tag)

    def close(self) -> None:
        """Fetch nothing more."""
        with self._lock:
            hosts, self._hosts = list(self._hosts.values()), {}
        for host in hosts:
            host.background.close()

    def _view(self, key: Reference) -> ReadStore:
        below = self.direct.open(key)
        if key.scheme == "ocidir" or not self._most:
            return below
        known = below.known if isinstance(below, Cache) else None
        return Readahead(below, self._host(key.registry), known)

    def _host(self, registry: str) -> Host:
        if registry not in self._hosts:
            most, settings = self._most, self._exchange.host(registry)
            threads = min(most, settings.concurrency)
            if settings.requests_per_second:  # so that nobody waits long for his turn
                threads = min(threads, max(1, int(settings.requests_per_second)))
            self._hosts[registry] = Host(
                lambda name: self.direct.open(Reference("registry", registry, name)),
                background=self._background(threads),
                most=most,
                emit=self._emit,
                clock=self._clock,
            )
        return self._hosts[registry]
