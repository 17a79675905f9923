"""Opens repositories, each once a run: registries and layout folders.

What reads and writes either is loaded with the first one, since a run may have neither.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from regbot.errors import RegbotError
from regbot.events import Emit, Message, ignore
from regbot.http.exchange import Exchange
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.stopping import Stop
from regbot.store.listing import list_repositories
from regbot.store.protocol import Store, Written, ignore_writes
from regbot.store.referrer_tags import Known

if TYPE_CHECKING:
    from regbot.store.ocidir import OciDirStore
    from regbot.store.remote import RemoteStore

Needed = Callable[[Reference], Collection[Digest]]
"""What the clean-up of a layout folder has to spare besides what it still lists."""


class OpenStores:
    """The repositories of one run; threads may share it.

    A repository is opened once, so what was learned of it (whether it deletes
    tags, whether it lists referrers) is learned once. ``bind`` and
    ``mirrors`` are RemoteStore's. ``needed`` is for the clean-up of layout folders.
    ``work_dir`` is the folder that has to hold every layout folder; None is no bound.
    ``written`` is told which repository of a registry something was written to.
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        stop: Stop | None = None,
        emit: Emit = ignore,
        mirrors: bool = True,
        bind: Callable[[Stop], Exchange] | None = None,
        needed: Needed | None = None,
        work_dir: Path | None = None,
        written: Written = ignore_writes,
    ) -> None:
        self._exchange = exchange
        self._stop = stop or Stop()
        self._emit = emit
        self._mirrors = mirrors
        self._bind = bind
        self._needed = needed
        self._work_dir = work_dir
        self._written = written
        self._lock = threading.Lock()
        self._remote: dict[Reference, RemoteStore] = {}
        self._folders: dict[Reference, OciDirStore] = {}
        self._referrers: dict[Reference, Known] = {}

    def open(self, reference: Reference) -> Store:
        """The store of the reference's repository.

        Raises InvalidValue for a layout folder that is outside of ``work_dir``, and for what
        is no name of a repository, as a registry may list it.
        """
        key = reference.without_name
        with self._lock:
            if key.scheme == "ocidir":
                if key not in self._folders:
                    self._folders[key] = self._folder(key)
                return self._folders[key]
        return self.registry(key)

    def registry(self, reference: Reference) -> RemoteStore:
        """The store of a repository of a registry. Raises InvalidValue."""
        key = reference.without_name
        with self._lock:
            if key not in self._remote:
                self._remote[key] = self._registry(key.checked())
            return self._remote[key]

    def repositories(self, registry: str, *, limit: int | None = None, last: str = "") -> list[str]:
        """The names of a registry's repositories. Raises NotSupported without a catalog."""
        return list_repositories(self._exchange, registry, limit=limit, last=last)

    def for_writing(
        self, bind: Callable[[Stop], Exchange], written: Written = ignore_writes
    ) -> OpenStores:
        """The same repositories, to be changed: registries answer for themselves there.

        Layout folders are shared with this one, and what is known of referrers. ``bind`` is
        RemoteStore's.
        """
        other = OpenStores(
            self._exchange,
            stop=self._stop,
            emit=self._emit,
            mirrors=False,
            bind=bind,
            needed=self._needed,
            work_dir=self._work_dir,
            written=written,
        )
        other._folders = self._folders
        other._referrers = self._referrers
        other._lock = self._lock
        return other

    def close(self) -> None:
        """Clean up the layout folders that something was taken out of.

        What can't be cleaned up now is a warning, and left to the next run.
        """
        with self._lock:
            folders = list(self._folders.values())
        for folder in folders:
            try:
                folder.close()
            except RegbotError as error:
                text = f"{folder.repository} was not cleaned up: {error}"
                self._emit(Message("warn", text))

    def _folder(self, key: Reference) -> OciDirStore:
        from regbot.store.layout import layout_in
        from regbot.store.ocidir import OciDirStore

        needed, folder = self._needed, Path(key.repository)
        return OciDirStore(
            key,
            folder=layout_in(self._work_dir, folder) if self._work_dir else folder,
            blob_limit=self._exchange.blob_limit,
            stop=self._stop,
            needed=(lambda: needed(key)) if needed else frozenset,
        )

    def _registry(self, key: Reference) -> RemoteStore:
        from regbot.store.remote import RemoteStore

        first_name = self._exchange.names(key.registry)[0]
        same = replace(key, registry=first_name)
        return RemoteStore(
            self._exchange,
            key,
            emit=self._emit,
            mirrors=self._mirrors,
            stop=self._stop,
            bind=self._bind,
            written=self._written,
            referrers=self._referrers.setdefault(same, Known()),
        )
