"""What reads of all repositories would see if the planned writes had happened."""

from __future__ import annotations

import threading
from pathlib import Path

from regbot.oci.reference import Reference
from regbot.store.overlay import Overlay, with_new
from regbot.store.protocol import ReadStore, ReadStores


class OverlayStores:
    """The repositories of a dry run, each with what is planned for it.

    What ``after`` plans is seen here. What is planned here is not seen there until
    ``keep`` is called, so that a script that fails can leave no trace in the plan.
    """

    def __init__(self, base: ReadStores, *, after: OverlayStores | None = None) -> None:
        self._base = base
        self._after = after
        self._lock = threading.Lock()
        self._overlays: dict[Reference | Path, Overlay] = {}

    def open(self, reference: Reference) -> Overlay:
        """The overlay of the reference's repository, the same one each time."""
        repository = reference.without_name
        is_folder = repository.scheme == "ocidir"
        key = Path(repository.repository).resolve() if is_folder else repository
        with self._lock:
            if key not in self._overlays:
                below = self._below(repository, self._base)
                self._overlays[key] = Overlay(below, others=self.open)
            return self._overlays[key]

    def through(self, base: ReadStores) -> ReadStores:
        """The same plan, seen over another way to read the repositories."""
        return _Through(self, base)

    def keep(self) -> None:
        """Let those that come after the same plan see what is planned here."""
        if self._after:
            with self._lock:
                overlays = list(self._overlays.values())
            for overlay in overlays:
                self._after.open(overlay.repository).absorb(overlay)

    def repositories(self, registry: str, *, limit: int | None = None, last: str = "") -> list[str]:
        """The base's repositories and those that planned manifests would make."""
        return self._listed(self._base, registry, limit, last)

    def _below(self, repository: Reference, base: ReadStores) -> ReadStore:
        """A repository of the base, with what was planned before."""
        if self._after is None:
            return base.open(repository)
        below = self._after._below(repository, base)  # noqa: SLF001 - it is one of its own
        return self._after.open(repository).on(below)

    def _listed(self, base: ReadStores, registry: str, limit: int | None, last: str) -> list[str]:
        new = {made.repository for made in self._made() if made.registry == registry}
        page = base.repositories(registry, limit=limit, last=last)
        more = limit is not None and 0 < len(page) >= limit
        return with_new(page, new, last, page[-1] if more else None)[:limit]

    def _made(self) -> list[Reference]:
        with self._lock:
            here = [overlay.repository for overlay in self._overlays.values() if overlay.made]
        return here + (self._after._made() if self._after else [])  # noqa: SLF001


class _Through:
    """What is planned in ``planned``, over ``base``."""

    def __init__(self, planned: OverlayStores, base: ReadStores) -> None:
        self._planned = planned
        self._base = base

    def open(self, reference: Reference) -> ReadStore:
        """The overlay of the reference's repository."""
        below = self._planned._below(reference.without_name, self._base)  # noqa: SLF001
        return self._planned.open(reference).on(below)

    def repositories(self, registry: str, *, limit: int | None = None, last: str = "") -> list[str]:
        """The base's repositories and those that planned manifests would make."""
        return self._planned._listed(self._base, registry, limit, last)  # noqa: SLF001
