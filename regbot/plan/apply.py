"""What each action does to the stores it is applied to.

The same code runs live, where the stores are the real ones, and in a dry run,
where they are overlays that only remember.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_hex

from regbot.errors import DigestMismatch, NotFound, Protected
from regbot.events import Emit
from regbot.image.archive_read import open_archive
from regbot.image.archive_write import write_archive
from regbot.image.copy import CopyOptions, copy_image
from regbot.image.removal import RemoveTag, plan_removal
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.plan.action import (
    Action,
    CopyImage,
    DeleteManifest,
    DeleteTag,
    ExportTar,
    ImportTar,
    PutBlob,
    PutManifest,
)
from regbot.plan.tagbook import TagBook
from regbot.stopping import Stop
from regbot.store.placeholder import replaced_by
from regbot.store.protocol import ReadStores, Store, Stores


@dataclass(frozen=True, slots=True)
class Applied:
    """What an action was about: ``digest``, and ``skipped`` says why nothing was done."""

    digest: Digest | None = None
    detail: str = ""
    skipped: bool = False


@dataclass(slots=True)
class Applier:
    """Applies actions to ``stores``, with images to copy from ``sources``.

    ``writes_files`` False leaves archives unwritten. ``archives`` keeps those that
    were read open, since an overlay reads their content when it is asked for.
    ``blob_limit`` is in bytes. ``address`` is where a registry's name leads. ``book``
    has the tags of the repositories.
    """

    stores: Stores
    sources: ReadStores
    stop: Stop
    emit: Emit
    blob_limit: int
    archives: ExitStack
    writes_files: bool = True
    address: Callable[[str], str] = str
    book: TagBook = field(init=False)

    def __post_init__(self) -> None:
        self.book = TagBook(self.stop, self.canonical)

    def canonical(self, reference: Reference) -> Reference:
        """The one name of a repository, however a script calls it; for comparing alone."""
        if reference.scheme == "ocidir":
            return replace(reference, repository=str(Path(reference.repository).resolve()))
        return replace(reference, registry=self.address(reference.registry))

    def is_gone(self, action: DeleteTag | DeleteManifest) -> bool:
        """Whether a tag or manifest that a first look did not find is not there indeed."""
        name = action.tag if isinstance(action, DeleteTag) else action.digest
        try:
            self.stores.open(action.reference).manifest(name)
        except NotFound:
            return True
        return False

    def apply(self, action: Action) -> Applied:
        """Do what the action says. Raises RegbotError when it can't be done."""
        match action:
            case DeleteTag() | DeleteManifest():
                return self._delete(action)
            case PutManifest():
                name = action.reference.tag or action.digest
                self.stores.open(action.reference).put_manifest(name, action.manifest)
                return Applied(action.digest)
            case PutBlob():
                store = self.stores.open(action.reference)
                store.put_blob(action.content, digest=action.digest, size=action.size)
                return Applied(action.digest)
            case CopyImage():
                return self._copy(action)
            case ExportTar():
                return self._export(action)
            case ImportTar():
                return self._import(action)

    def removal(
        self, reference: Reference, *, children: bool, referrers: bool, reason: str
    ) -> list[Action]:
        """See ``Executor.removal``."""
        store = self.stores.open(reference)
        steps = plan_removal(
            store, reference.name, children=children, referrers=referrers, stop=self.stop
        )
        group = f"{reference} {token_hex(4)}"
        actions: list[Action] = []
        for step in steps:
            if isinstance(step, RemoveTag):
                tag = reference.with_tag(step.tag)
                actions.append(DeleteTag(tag, reason, step.digest, listed=True, group=group))
            else:
                manifest = reference.with_digest(step.digest)
                actions.append(DeleteManifest(manifest, step.digest, reason, group=group))
        return actions

    def _delete(self, action: DeleteTag | DeleteManifest) -> Applied:
        try:
            if isinstance(action, DeleteTag):
                return self._delete_tag(action)
            return self._delete_manifest(action)
        except Protected as error:
            return Applied(action.digest, f"protected by the registry: {error}", skipped=True)

    def _delete_tag(self, action: DeleteTag) -> Applied:
        store = self.stores.open(action.reference)
        found: Digest | None = None
        try:
            found = store.head(action.tag).digest
            if action.digest in (None, found):
                return self._delete_where(action, store, found)
            if replaced_by(store, found) == action.digest:
                store.delete_manifest(found)
                return Applied(action.digest, "was left half deleted")
            detail = f"moved since the script looked: now {found}"
            return Applied(action.digest, detail, skipped=True)
        except NotFound:
            if not ((action.listed or found) and self.is_gone(action)):
                raise
            return Applied(action.digest or found, "already gone")

    def _delete_where(self, action: DeleteTag, store: Store, digest: Digest) -> Applied:
        """Delete a tag that is on a digest, but not the manifest of an index that is kept."""
        if not store.last_tag_takes_manifest:
            return self._delete_at(action, store, digest)
        with self.book.one_last_tag:
            if self.book.is_last_and_listed(store, action.tag, digest):
                why = "the registry would delete the manifest with its last tag, and an index"
                return Applied(digest, f"{why} that is kept lists it", skipped=True)
            applied = self._delete_at(action, store, digest)
            self.book.note(action)
            return applied

    def _delete_at(self, action: DeleteTag, store: Store, digest: Digest) -> Applied:
        """Delete a tag that is on a digest; where it moves meanwhile, decide once more."""
        try:
            store.delete_tag(action.tag, digest)
        except DigestMismatch:
            if store.head(action.tag).digest == digest:
                raise
            return self._delete_tag(replace(action, digest=digest, listed=True))
        return Applied(digest)

    def _delete_manifest(self, action: DeleteManifest) -> Applied:
        try:
            self.stores.open(action.reference).delete_manifest(action.digest)
        except NotFound:
            if not (action.may_be_gone and self.is_gone(action)):
                raise
            return Applied(action.digest, "already gone")
        return Applied(action.digest)

    def _copy(self, action: CopyImage) -> Applied:
        target = action.reference
        copied = copy_image(
            self.sources.open(action.source),
            action.source.name,
            self.stores.open(target),
            target.tag,
            action.options,
            stop=self.stop,
            emit=self.emit,
        )
        return Applied(copied.descriptor.digest)

    def _export(self, action: ExportTar) -> Applied:
        store = self.sources.open(action.reference)
        digest = store.head(action.reference.name).digest
        if action.digest and digest != action.digest:
            raise DigestMismatch(f"{action.reference} is {digest}, decided on {action.digest}")
        if self.writes_files:
            write_archive(
                store,
                action.reference.name,
                action.path,
                repository_name=_docker_name(action.reference),
                stop=self.stop,
                emit=self.emit,
            )
        return Applied(digest)

    def _import(self, action: ImportTar) -> Applied:
        archive = self.archives.enter_context(
            open_archive(action.path, blob_limit=self.blob_limit, stop=self.stop)
        )
        found = archive.head(archive.default_name).digest
        if action.digest and found != action.digest:
            raise DigestMismatch(f"{action.path} holds {found}, decided on {action.digest}")
        copied = copy_image(
            archive,
            archive.default_name,
            self.stores.open(action.reference),
            action.reference.tag,
            CopyOptions(),
            stop=self.stop,
            emit=self.emit,
        )
        return Applied(copied.descriptor.digest)


def _docker_name(reference: Reference) -> str:
    return "" if reference.scheme == "ocidir" else str(reference.without_name)
