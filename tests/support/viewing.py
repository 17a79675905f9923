"""Repositories of a registry, read as a run reads them: through read-ahead and cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regbot.http.exchange import Exchange
from regbot.oci.reference import Reference
from regbot.stopping import Stop
from regbot.store.cache_folder import CacheFolder
from regbot.store.opener import OpenStores
from regbot.store.protocol import ReadStore, Store
from regbot.store.views import Reading, Views

WRITES = ("put_manifest", "delete_manifest", "delete_tag", "put_blob", "mount_blob")


class AtOnce:
    """What is fetched in the background is there at once, so that it can be counted."""

    def __init__(self, _threads: int) -> None:
        """There are no threads."""

    def run(self, work: Callable[[], None]) -> None:
        work()

    def close(self) -> None:
        """There is nothing to end."""


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Viewed:
    """A store that is read through the views, and written to beside them, as in a run."""

    def __init__(self, view: ReadStore, store: Store) -> None:
        self._view = view
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store if name in WRITES else self._view, name)


@dataclass(frozen=True)
class Run:
    """What one run opens. ``host`` is the registry's name."""

    host: str
    views: Views
    writing: OpenStores

    def view(self, repository: str = "team/app") -> ReadStore:
        return self.views.open(Reference("registry", self.host, repository))

    def store(self, repository: str = "team/app") -> Store:
        """To be changed."""
        return self.writing.open(Reference("registry", self.host, repository))

    def both(self, repository: str = "team/app") -> Any:
        return Viewed(self.view(repository), self.store(repository))


@contextmanager
def run_on(
    host: str,
    bind: Callable[[Stop], Exchange],
    *,
    readahead: int = 0,
    cache: Path | None = None,
    size: int = 1024 * 1024,
    stop: Stop | None = None,
    **more: Any,
) -> Iterator[Run]:
    """A run on a registry. ``more`` goes to the views."""
    stop = stop or Stop()
    exchange = bind(stop)
    folder = CacheFolder(cache, size) if cache else None
    opened = OpenStores(exchange, stop=stop)
    views = Views(opened, exchange, Reading(readahead, folder), **more)
    try:
        yield Run(host, views, opened.for_writing(bind, written=views.written))
    finally:
        views.close()
        if folder:
            folder.close()
