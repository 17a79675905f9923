"""Puts back a deleted tag or manifest, with everything that was saved of it.

Nothing is overwritten: a tag that has another digest by now is left alone. Before a
manifest is put back, its blobs are looked up, because the registry may have collected
its garbage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from regbot.errors import NotFound, NotSupported, RegbotError
from regbot.image.crew import Crew
from regbot.image.parts import blobs_of, is_external
from regbot.journal.records import ActionRecord, SavedManifest
from regbot.oci.digest import Digest
from regbot.oci.manifest import Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Name, Tag
from regbot.plan.action import DeleteManifest
from regbot.stopping import Stop, ended_by
from regbot.store.placeholder import replaced_by
from regbot.store.protocol import ReadStore
from regbot.values import dataclass

UndoStatus = Literal["restored", "planned", "unchanged", "skipped", "stopped", "failed"]
_SHOWN = 3
_WORKERS = 4


@dataclass(frozen=True, slots=True)
class Undone:
    """The outcome for a tag or manifest. ``detail`` says what is not back, and why."""

    reference: Reference
    status: UndoStatus
    detail: str = ""
    digest: Digest | None = None


def names_of(action: ActionRecord, tags: Sequence[Tag]) -> list[Reference]:
    """The names that an action deleted: the tags, and the digest of a deleted manifest."""
    names = [action.reference.with_tag(tag) for tag in tags]
    if action.verb == DeleteManifest.verb and action.digest:
        names.insert(0, action.reference.with_digest(action.digest))
    return names or [action.reference]


@dataclass(frozen=True, slots=True)
class Restoring:
    """An action to undo, and its repository.

    ``kept`` reads a saved manifest, ``put`` stores a manifest under a name.
    """

    action: ActionRecord
    store: ReadStore
    kept: Callable[[SavedManifest], Manifest]
    put: Callable[[Reference, Manifest], None]
    stop: Stop

    def run(self, tags: Sequence[Tag]) -> list[Undone]:
        """Put back the manifests, and then the tags that don't exist now.

        Raises NotFound if a manifest or blob is lost, and the errors of the store and
        the journal. In these cases no tag was changed.
        """
        names = names_of(self.action, tags)
        there = {name: self._digest_at(name) for name in names}
        moved = [name for name in names if there[name] not in (None, self.action.digest)]
        if len(moved) == len(names):
            return [self._moved(name, there[name]) for name in names]
        parts, referrers = self._saved()
        missing = self._missing(parts)
        free = [name for name in names if there[name] is None]
        manifests = [self.kept(saved) for saved in parts] if missing or free else []
        self._require_blobs(manifests)
        for manifest in manifests:
            if manifest.digest in missing:
                self.put(self._by_digest(manifest.digest), manifest)
        results = []
        for name in names:
            if name in moved:
                results.append(self._moved(name, there[name]))
            elif name.tag and name in free:
                results.append(self._put_tag(name, manifests[-1]))
            else:
                status: UndoStatus = "restored" if missing else "unchanged"
                results.append(Undone(name, status, "", self.action.digest))
        return self._with_referrers(results, referrers)

    def _digest_at(self, name: Reference) -> Digest | None:
        """The digest of a name, None if it doesn't exist.

        A tag that a killed delete left on a placeholder counts as deleted.
        """
        digest = _digest_at(self.store, name.name)
        if digest is None or digest == self.action.digest:
            return digest
        is_half_deleted = name.tag and replaced_by(self.store, digest) == self.action.digest
        return None if is_half_deleted else digest

    def _saved(self) -> tuple[list[SavedManifest], list[SavedManifest]]:
        """The manifest after its children, and the referrers of all of them."""
        saved = list(self.action.manifests)
        for place, manifest in enumerate(saved, 1):
            if manifest.digest == self.action.digest:
                return saved[:place], saved[place:]
        raise NotFound("its manifest no longer existed when it was deleted")

    def _put_tag(self, name: Reference, manifest: Manifest) -> Undone:
        try:
            self.put(name, manifest)
        except RegbotError as error:
            return Undone(name, ended_by(error), str(error), manifest.digest)
        return Undone(name, "restored", "", manifest.digest)

    def _with_referrers(
        self, results: list[Undone], referrers: list[SavedManifest]
    ) -> list[Undone]:
        """Put back the referrers; the first result says which of them are not back."""
        problems = []
        missing = self._missing(referrers)
        for referrer in referrers:
            if referrer.digest not in missing:
                continue
            try:
                manifest = self.kept(referrer)
                self._require_blobs([manifest])
                self.put(self._by_digest(referrer.digest), manifest)
            except RegbotError as error:
                problems.append(f"{referrer.digest}: {error}")
        if not problems:
            return results
        first, *rest = results
        count = "a referrer is" if len(problems) == 1 else f"{len(problems)} referrers are"
        detail = f"{count} not back: {_listed(problems)}"
        return [Undone(first.reference, first.status, detail, first.digest), *rest]

    def _moved(self, name: Reference, digest: Digest | None) -> Undone:
        return Undone(name, "skipped", f"the tag has the digest {digest} by now", digest)

    def _by_digest(self, digest: Digest) -> Reference:
        return self.action.reference.with_digest(digest)

    def _missing(self, saved: Sequence[SavedManifest]) -> set[Digest]:
        digests = [manifest.digest for manifest in saved]
        current = Crew(_WORKERS, self.stop).run(partial(_digest_at, self.store), digests)
        return {digest for digest, present in zip(digests, current, strict=True) if present is None}

    def _require_blobs(self, manifests: Sequence[Manifest]) -> None:
        """Raise NotFound, with the names of the missing blobs."""
        needed = {
            blob.digest: blob
            for manifest in manifests
            for blob in blobs_of(manifest)
            if not is_external(blob)
        }
        there = Crew(_WORKERS, self.stop).run(partial(_has, self.store), list(needed))
        lost = [str(digest) for digest, exists in zip(needed, there, strict=True) if not exists]
        if lost:
            raise NotFound(
                f"garbage collection has removed {len(lost)} of {len(needed)} blobs:"
                f" {_listed(lost)}"
            )


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _digest_at(store: ReadStore, name: Name) -> Digest | None:
    try:
        return store.head(name).digest
    except NotFound:
        return None


def _has(store: ReadStore, digest: Digest) -> bool:
    """Whether a blob exists, also in a store that can't tell its size."""
    try:
        store.blob_size(digest)
    except NotFound:
        return False
    except NotSupported:
        return True
    return True
