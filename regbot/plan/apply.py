"""What each action does to the stores it is applied to.

The same code runs live, where the stores are the real ones, and in a dry run,
where they are overlays that only remember.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import field, replace
from pathlib import Path
from secrets import token_hex
from typing import Literal

from regbot.errors import DigestMismatch, NotFound, Protected, RegbotError
from regbot.events import Emit
from regbot.image.copy import Copied, copy_image
from regbot.image.deliveries import Deliveries
from regbot.image.options import CopyOptions
from regbot.image.removal import RemoveTag, Step, plan_removal
from regbot.image.transfer import NOT_SEEN
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference, names_of_registry
from regbot.oci.tag import Tag
from regbot.plan.action import (
    CopyImage,
    Delete,
    DeleteManifest,
    DeleteTag,
    ExportTar,
    ImportTar,
    PutBlob,
    PutManifest,
    Write,
)
from regbot.plan.look import Target
from regbot.plan.outcome import Applied
from regbot.plan.tagbook import NOW, TagBook
from regbot.plan.turns import Turns
from regbot.stopping import Stop
from regbot.store.overlay_stores import OverlayStores
from regbot.store.protocol import Chunks, ReadStores, Store, Stores
from regbot.values import dataclass

MayPut = Callable[[Reference, Digest], None]
"""Raises where a tag must not be put on a digest."""

OneAtATime = Callable[[str, str], AbstractContextManager[None]]
"""Lets one run at a time decide on a repository, by its registry and its name."""


def _alone(_registry: str, _repository: str) -> AbstractContextManager[None]:
    """Where no other run of the process changes anything, nobody has to wait."""
    return nullcontext()


@dataclass(slots=True)
class Applier:
    """Applies actions to ``stores``, with images to copy from ``sources``.

    ``writes_files`` False leaves archives unwritten. ``archives`` keeps those that
    were read open, since an overlay reads their content when it is asked for.
    ``blob_limit`` is in bytes. ``real`` are the repositories as they are, ``planned`` those
    of a dry run with what it plans. ``registries`` gives all names of a registry, the one to
    compare by first. ``one_at_a_time`` is Exchange's turn, from when it is decided whether a
    tag is the last one of a digest until the tag is gone. ``book`` has the tags of
    repositories, ``turns`` who may change one of them. ``deliveries`` are those of the run.
    """

    stores: Stores
    sources: ReadStores
    stop: Stop
    emit: Emit
    blob_limit: int
    archives: ExitStack
    real: ReadStores
    writes_files: bool = True
    registries: Callable[[str], tuple[str, ...]] = names_of_registry
    one_at_a_time: OneAtATime = _alone
    planned: OverlayStores | None = None
    turns: Turns = field(default_factory=Turns)
    deliveries: Deliveries = field(default_factory=Deliveries)
    book: TagBook = field(init=False)
    _names: dict[Reference, tuple[Reference, ...]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.book = TagBook(self.stop, self.names)

    def names(self, reference: Reference) -> tuple[Reference, ...]:
        """All names of a repository, tag and digest left out; to compare by, the first."""
        repository = reference.without_name
        names = self._names.get(repository)
        if names is None:
            names = self._names[repository] = self._names_of(repository)
        return names

    def _names_of(self, repository: Reference) -> tuple[Reference, ...]:
        if repository.scheme == "ocidir":
            folder = Path(repository.repository).resolve()
            relative = os.path.relpath(folder)
            folders = dict.fromkeys((str(folder), relative, f"./{relative}"))
            return tuple(replace(repository, repository=name) for name in folders)
        registries = self.registries(repository.registry)
        return tuple(replace(repository, registry=name) for name in registries)

    def apply(self, action: Write, may_put: MayPut) -> Applied:
        """Do what the action says; ``may_put`` is asked before each tag that is put.

        Raises RegbotError when it can't be done.
        """
        match action:
            case PutManifest():
                may_put(action.reference, action.digest)
                name = action.reference.tag or action.digest
                self.stores.open(action.reference).put_manifest(name, action.manifest)
                return Applied(action.digest)
            case PutBlob():
                self._put_blob(action)
                return Applied(action.digest)
            case CopyImage():
                return self._copy(action, may_put)
            case ExportTar():
                return self._export(action)
            case ImportTar():
                return self._import(action, may_put)

    def _put_blob(self, action: PutBlob) -> None:
        """Store a blob, if it can be without moving its content."""
        store, source = self.stores.open(action.reference), action.source
        if source and source.registry == action.reference.registry:
            try:
                if store.blob_size(action.digest) == action.size:
                    return
            except NOT_SEEN:
                if store.mount_blob(action.digest, source.without_name):
                    return
        store.put_blob(self._content(action), digest=action.digest, size=action.size)

    def _content(self, action: PutBlob) -> Chunks:
        if action.content:
            return action.content
        source = self.sources.open(action.source or action.reference)
        return lambda: source.blob(action.digest, action.size)

    def delete(self, action: Delete, target: Target) -> Applied:
        """Delete what was seen, without another look.

        Raises DigestMismatch when a tag turns out to be on another manifest, NotFound when
        there is nothing any more, and RegbotError when it can't be done.
        """
        store = self.stores.open(action.reference)
        try:
            if isinstance(action, DeleteManifest):
                store.delete_manifest(target.digest)
            elif target.on != target.digest and self._finished(action, store, target):
                return Applied(target.digest, "was left half deleted")
            elif store.last_tag_takes_manifest:
                return self._delete_last_tag(action, store, target.digest)
            else:
                store.delete_tag(action.tag, target.digest)
        except Protected as error:
            return _protected(target, error)
        return Applied(target.digest)

    def begin_delete(self, action: DeleteTag, target: Target) -> Applied | None:
        """Begin to delete a tag that was seen; None where ``finish_deletes`` has to follow.

        Raises as ``delete`` does.
        """
        store = self.stores.open(action.reference)
        if target.on != target.digest or store.last_tag_takes_manifest:
            return self.delete(action, target)
        try:
            waits = store.begin_delete(action.tag, target.digest)
        except Protected as error:
            return _protected(target, error)
        return None if waits else Applied(target.digest)

    def changes_at_finish(self, reference: Reference) -> bool:
        """Whether deletes that were begun change nothing before they are finished."""
        return self.stores.open(reference).deletes_at_finish

    def finish_deletes(
        self, repository: Reference, tags: Mapping[Tag, Digest]
    ) -> Mapping[Tag, RegbotError]:
        """Finish deletes of tags that were begun; an error for each that is or may be there.

        Raises RegbotError where that is so for all of them.
        """
        return self.stores.open(repository).finish_deletes(tags)

    def _finished(self, action: DeleteTag, store: Store, target: Target) -> bool:
        """Delete a tag from the placeholder on which a delete that was broken off left it.

        Where other tags are on it too, this tag alone goes. False: the look was a stale
        one, and the tag is on what it is to be deleted from. Raises DigestMismatch when it
        is on anything else.
        """
        if self.book.tags_on(store, target.on, fresh_for=NOW) not in ((), (action.tag,)):
            store.delete_tag(action.tag, target.on)
            return True
        store.delete_manifest(target.on)
        try:
            current = store.head(action.tag).digest
        except NotFound:
            return True
        if current != target.digest:
            raise DigestMismatch(f"{action.reference} moved meanwhile, now {current}")
        return False

    def _delete_last_tag(self, action: DeleteTag, store: Store, digest: Digest) -> Applied:
        """Delete a tag, but not with it the manifest that an index lists which is kept."""
        with self.one_at_a_time(action.reference.registry, action.reference.repository):
            if self.book.is_last_and_listed(store, action.tag, digest):
                why = "the registry would delete the manifest with its last tag, and an index"
                return Applied(digest, f"{why} that is kept lists it", "skipped")
            store.delete_tag(action.tag, digest)
            self.book.note(action)
        return Applied(digest)

    def removal(
        self, reference: Reference, *, children: bool, referrers: bool, reason: str
    ) -> list[Delete]:
        """The steps that delete an image; see ``image.removal.plan_removal``."""
        store = self.stores.open(reference)
        steps = plan_removal(
            store, reference.name, children=children, referrers=referrers, stop=self.stop
        )
        removal = f"{reference} {token_hex(4)}"
        return [_as_action(step, reference, reason, removal) for step in steps]

    def _copy(self, action: CopyImage, may_put: MayPut) -> Applied:
        target, source = action.reference, self.sources.open(action.source)
        name = action.source.name
        if target.tag and target.digest:
            digest = source.head(name).digest
            if digest != target.digest:
                raise DigestMismatch(f"{action.source} is {digest}, not {target.digest}")
            name = digest
        copied = copy_image(
            source,
            name,
            self.stores.open(target),
            target.tag or target.digest,
            action.options,
            may_put=lambda tag, digest: may_put(target.with_tag(tag), digest),
            deliveries=self.deliveries,
            stop=self.stop,
            emit=self.emit,
        )
        return _copied(copied)

    def _export(self, action: ExportTar) -> Applied:
        from regbot.image.archive_write import write_archive

        store = self.sources.open(action.reference)
        digest = store.head(action.reference.name).digest
        if action.digest and digest != action.digest:
            raise DigestMismatch(f"{action.reference} is {digest}, decided on {action.digest}")
        if self.writes_files:
            written = write_archive(
                store,
                action.reference.name,
                action.path,
                repository_name=_docker_name(action.reference),
                tag=action.reference.tag,
                stop=self.stop,
                emit=self.emit,
            )
            digest = written.digest
        return Applied(digest)

    def _import(self, action: ImportTar, may_put: MayPut) -> Applied:
        from regbot.image.archive_read import open_archive

        archive = self.archives.enter_context(
            open_archive(action.path, blob_limit=self.blob_limit, stop=self.stop)
        )
        digest = archive.head(archive.default_name).digest
        if action.digest and digest != action.digest:
            raise DigestMismatch(f"{action.path} holds {digest}, decided on {action.digest}")
        copied = copy_image(
            archive,
            archive.default_name,
            self.stores.open(action.reference),
            action.reference.tag,
            CopyOptions(),
            may_put=lambda tag, digest: may_put(action.reference.with_tag(tag), digest),
            deliveries=self.deliveries,
            stop=self.stop,
            emit=self.emit,
        )
        return _copied(copied)


def _protected(target: Target, error: Protected) -> Applied:
    return Applied(target.digest, f"protected by the registry: {error}", "skipped")


def _as_action(step: Step, reference: Reference, reason: str, removal: str) -> Delete:
    if isinstance(step, RemoveTag):
        tag = reference.with_tag(step.tag)
        return DeleteTag(
            tag, reason, step.digest, may_be_gone=True, removal=removal, part=step.part
        )
    manifest = reference.with_digest(step.digest)
    return DeleteManifest(
        manifest, step.digest, reason, may_be_gone=True, removal=removal, part=step.part
    )


def _copied(copied: Copied) -> Applied:
    status: Literal["done", "unchanged"] = "done" if copied.changed else "unchanged"
    return Applied(copied.descriptor.digest, status=status, carried=copied.carried)


def _docker_name(reference: Reference) -> str:
    return "" if reference.scheme == "ocidir" else str(reference.without_name)
