"""Puts one deleted tag or manifest back, with all that was saved of it.

Nothing that is there is overwritten: a tag that is on something else by now stays
there. Before a manifest is put, its blobs are looked for: once a registry has
collected garbage, nobody has them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

UndoStatus = Literal["restored", "planned", "there already", "skipped", "stopped", "failed"]
_SHOWN = 3
_WORKERS = 4


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of one tag or manifest; ``detail`` says why it is not back, or not all."""

    reference: Reference
    status: UndoStatus
    detail: str = ""
    digest: Digest | None = None


def names_of(action: ActionRecord, tags: Sequence[Tag]) -> list[Reference]:
    """What an action took away: the manifest, if it was that, and the tags."""
    found = [action.reference.with_tag(tag) for tag in tags]
    if action.verb == DeleteManifest.verb and action.digest:
        found.insert(0, action.reference.with_digest(action.digest))
    return found or [action.reference]


@dataclass(frozen=True, slots=True)
class Restoring:
    """One action and the repository it was in.

    ``kept`` reads a saved manifest, ``put`` stores one under a name.
    """

    action: ActionRecord
    store: ReadStore
    kept: Callable[[SavedManifest], Manifest]
    put: Callable[[Reference, Manifest], None]
    stop: Stop

    def run(self, tags: Sequence[Tag]) -> list[Undone]:
        """Put the manifests back, then those of the tags that are free.

        Raises NotFound when something is lost, and what the store and journal raise;
        then no tag was touched.
        """
        names = names_of(self.action, tags)
        there = {name: self._digest_at(name) for name in names}
        moved = [name for name in names if there[name] not in (None, self.action.digest)]
        if len(moved) == len(names):
            return [self._moved(name, there[name]) for name in names]
        own, others = self._saved()
        missing = self._missing(own)
        free = [name for name in names if there[name] is None]
        manifests = [self.kept(saved) for saved in own] if missing or free else []
        self._require_blobs(manifests)
        for manifest in manifests:
            if manifest.digest in missing:
                self.put(self._by_digest(manifest.digest), manifest)
        found = []
        for name in names:
            if name in moved:
                found.append(self._moved(name, there[name]))
            elif name.tag and name in free:
                found.append(self._put_tag(name, manifests[-1]))
            else:
                status: UndoStatus = "restored" if missing else "there already"
                found.append(Undone(name, status, "", self.action.digest))
        return self._with_referrers(found, others)

    def _digest_at(self, name: Reference) -> Digest | None:
        """What is there; nothing where a killed delete left a small manifest on the tag."""
        found = _digest_at(self.store, name.name)
        if found is None or found == self.action.digest:
            return found
        half = name.tag and replaced_by(self.store, found) == self.action.digest
        return None if half else found

    def _saved(self) -> tuple[list[SavedManifest], list[SavedManifest]]:
        """What the manifest consists of, itself last; and what refers to any of it."""
        saved = list(self.action.manifests)
        for place, own in enumerate(saved, 1):
            if own.digest == self.action.digest:
                return saved[:place], saved[place:]
        raise NotFound("its manifest was not there any more when it was deleted")

    def _put_tag(self, name: Reference, manifest: Manifest) -> Undone:
        try:
            self.put(name, manifest)
        except RegbotError as error:
            return Undone(name, ended_by(error), str(error), manifest.digest)
        return Undone(name, "restored", "", manifest.digest)

    def _with_referrers(self, found: list[Undone], saved: list[SavedManifest]) -> list[Undone]:
        """The same, and the first says which referrers are not back."""
        problems = []
        missing = self._missing(saved)
        for own in saved:
            if own.digest not in missing:
                continue
            try:
                manifest = self.kept(own)
                self._require_blobs([manifest])
                self.put(self._by_digest(own.digest), manifest)
            except RegbotError as error:
                problems.append(f"{own.digest}: {error}")
        if not problems:
            return found
        first, *rest = found
        detail = f"{len(problems)} of what refers to it is not back: {_listed(problems)}"
        return [Undone(first.reference, first.status, detail, first.digest), *rest]

    def _moved(self, name: Reference, digest: Digest | None) -> Undone:
        return Undone(name, "skipped", f"the tag is on {digest} by now", digest)

    def _by_digest(self, digest: Digest) -> Reference:
        return self.action.reference.with_digest(digest)

    def _missing(self, saved: Sequence[SavedManifest]) -> set[Digest]:
        digests = [own.digest for own in saved]
        there = Crew(_WORKERS, self.stop).run(partial(_digest_at, self.store), digests)
        return {digest for digest, own in zip(digests, there, strict=True) if own is None}

    def _require_blobs(self, manifests: Sequence[Manifest]) -> None:
        """Raise NotFound that names the blobs which are gone."""
        needed = {
            blob.digest: blob
            for manifest in manifests
            for blob in blobs_of(manifest)
            if not is_external(blob)
        }
        there = Crew(_WORKERS, self.stop).run(partial(_has, self.store), list(needed))
        lost = [str(digest) for digest, own in zip(needed, there, strict=True) if not own]
        if lost:
            raise NotFound(
                f"{len(lost)} of {len(needed)} blobs are gone, garbage was collected:"
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
    """Whether a blob is there; a store that has it and can't tell its size says so too."""
    try:
        store.blob_size(digest)
    except NotFound:
        return False
    except NotSupported:
        return True
    return True
