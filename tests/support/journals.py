"""Deletes with an entry in a journal, as a run does them; and a writer of entries to kill."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from regbot.journal.journal import Journal
from regbot.journal.opening import open_journal
from regbot.journal.runjournal import RunJournal
from regbot.journal.saving import save
from regbot.oci.digest import Digest
from regbot.oci.manifest import OCI_INDEX, Manifest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import Action, Delete, DeleteManifest, DeleteTag
from regbot.plan.guard import Guard
from regbot.plan.keeping import Keeping
from regbot.plan.look import Looks, Target
from regbot.plan.recorder import Beginning, End, Ended, Saved
from regbot.plan.tagbook import TagBook
from regbot.stopping import Stop
from regbot.store.protocol import Store
from support.tagged import delete_tag

CONFIG = "regbot.yml"
PLACE = Reference.parse("registry.example.org/team/app:v1")


def begin(journal: Journal, config: str = CONFIG, keep: float | None = None) -> RunJournal:
    return journal.begin_run(kind="once", config=config, fingerprint="f00d", keep=keep)


def saved_before(store: Store, action: Delete, *, stop: Stop | None = None) -> Saved:
    """What goes with a delete, by the look that an executor takes."""
    stop = stop or Stop()
    book = TagBook(stop, lambda reference: (reference,))
    keeping = Keeping(Guard(), None, book, lambda reference: (reference,), stop)
    looks = Looks(Alone(store), book, keeping, dry_run=False)
    target = looks.before(action, closely=True)
    assert isinstance(target, Target), target
    return save(target, stop=stop)


@dataclass(frozen=True, slots=True)
class Alone:
    """Stores of one repository."""

    store: Store

    def open(self, _reference: Reference) -> Store:
        return self.store

    def repositories(self, registry: str, *, limit: int | None = None, last: str = "") -> list[str]:
        raise NotImplementedError


def note(run: RunJournal, script: str, action: Action, saved: Saved | None = None) -> int:
    """The entry of one action, on the disk."""
    [entry] = run.begin([Beginning(script, action, saved)])
    return entry


def end(run: RunJournal, entry: int, status: Ended, detail: str = "", **more: bool) -> None:
    """Note what became of one action."""
    run.end_all([End(entry, status, detail, **more)])


def delete(run: RunJournal, store: Store, action: Delete) -> int:
    """Save, note, delete, and say that it is done."""
    entry = note(run, "clean-up", action, saved_before(store, action))
    if isinstance(action, DeleteTag):
        delete_tag(store, action.tag)
    else:
        store.delete_manifest(action.digest)
    end(run, entry, "done")
    return entry


def delete_tags(run: RunJournal, store: Store, *tags: str) -> None:
    for tag in tags:
        delete(run, store, DeleteTag(store.repository.with_tag(Tag(tag)), "too old"))


def delete_digest(run: RunJournal, store: Store, digest: Digest) -> None:
    reference = store.repository.with_digest(digest)
    delete(run, store, DeleteManifest(reference, digest, "too old"))


def small(number: int, *, size: int = 0) -> Saved:
    """Something saved: an index of its own that lists nothing."""
    data = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    padded = {"number": str(number), "padding": "x" * size}
    manifest = Manifest.build({**data, "annotations": padded})
    return Saved(manifest.digest, (manifest,), (Tag("v1"),))


def write_entries(folder: Path, count: int, *, limit: int = 0, size: int = 0) -> None:
    """Note deletes, and print each entry's id as soon as ``about_to`` has returned.

    ``limit`` are the bytes that any file may have, as a full disk would end it; then
    the error is printed too.
    """
    from resource import RLIM_INFINITY, RLIMIT_FSIZE, setrlimit

    from regbot.errors import RegbotError

    journal = open_journal(folder)
    run = begin(journal)
    if limit:
        setrlimit(RLIMIT_FSIZE, (limit, RLIM_INFINITY))
    try:
        for number in range(count):
            saved = small(number + 1_000_000 * os.getpid(), size=size)
            entry = note(run, "clean-up", DeleteTag(PLACE), saved)
            os.write(1, f"{json.dumps([entry, str(saved.digest)])}\n".encode())
    except RegbotError as error:
        os.write(1, f"{json.dumps([type(error).__name__, str(error)])}\n".encode())


if __name__ == "__main__":
    path, *numbers = sys.argv[1:]
    total, most, bytes_each = (int(number) for number in numbers)
    write_entries(Path(path), total, limit=most, size=bytes_each)
