"""The views through which a run reads: read-ahead, over the cache, over the registry."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from regbot.http.exchange import Exchange
from regbot.oci.reference import Reference
from regbot.stopping import Clock
from regbot.store.ahead import Background, Threads
from regbot.store.cache import Cache
from regbot.store.cache_folder import CacheFolder
from regbot.store.opener import OpenStores
from regbot.store.protocol import ReadStore
from regbot.store.readahead import Host, Readahead


@dataclass(frozen=True, slots=True)
class Reading:
    """How a run reads registries. ``readahead`` is the largest window, 0 for none."""

    readahead: int = 0
    cache: CacheFolder | None = None


class Views:
    """Opens repositories for reading, each once; threads may share it.

    Layout folders are read as they are. ``background`` makes what fetches ahead, with so
    many threads.
    """

    def __init__(
        self,
        base: OpenStores,
        exchange: Exchange,
        reading: Reading,
        *,
        clock: Clock = time.monotonic,
        background: Callable[[int], Background] = Threads,
    ) -> None:
        self._base = base
        self._exchange = exchange
        self._reading = reading
        self._clock = clock
        self._background = background
        self._lock = threading.Lock()
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
        return self._base.repositories(registry, limit=limit, last=last)

    def written(self, repository: Reference) -> None:
        """Something was written to a repository, by whichever of its names."""
        key = self._key(repository)
        with self._lock:
            stores = list(self._stores.values())
        for store in stores:
            if isinstance(store, Readahead) and self._key(store.repository) == key:
                store.forget()

    def close(self) -> None:
        """Fetch nothing more."""
        with self._lock:
            hosts, self._hosts = list(self._hosts.values()), {}
        for host in hosts:
            host.background.close()

    def _view(self, key: Reference) -> ReadStore:
        if key.scheme == "ocidir":
            return self._base.open(key)
        remote = self._base.registry(key)
        store: ReadStore = remote
        if self._reading.cache:
            shelf = self._reading.cache.shelf(key)
            store = Cache(remote, shelf, clock=self._clock)
        if self._reading.readahead:
            store = Readahead(store, self._host(key.registry))
        return store

    def _host(self, registry: str) -> Host:
        if registry not in self._hosts:
            most = self._reading.readahead
            threads = min(most, self._exchange.host(registry).concurrency)
            self._hosts[registry] = Host(self._background(threads), most, self._clock)
        return self._hosts[registry]

    def _key(self, repository: Reference) -> tuple[str, str]:
        """A repository by the name of its registry to compare by."""
        if repository.scheme == "ocidir":
            return "", repository.repository
        return self._exchange.names(repository.registry)[0], repository.repository
