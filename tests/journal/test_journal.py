"""The journal: what it keeps, how runs are found again, and what is forgotten when."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from support.images import make_image, make_index, make_referrer, push
from support.journals import CONFIG, PLACE, begin, delete_digest, delete_tags, end, note, small
from support.pairs import layout

from regbot.errors import InvalidValue, NotFound
from regbot.journal.opening import default_state, open_journal
from regbot.oci.reference import Reference
from regbot.plan.action import DeleteTag

DAY = 86400.0
NOW = 1_795_456_501.0  # 2026-11-23T17:55:01Z


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def journal(tmp_path, clock):
    with open_journal(tmp_path / "state", clock=clock) as journal:
        yield journal


def kept(folder):
    return sorted(
        path.name for path in (folder / "state" / "manifests").rglob("*") if path.is_file()
    )


def test_an_entry_comes_back_as_it_was_written(journal, clock):
    run = begin(journal)
    saved = small(1)
    entry = note(run, "clean-up", DeleteTag(PLACE, "older than 30 days"), saved)
    (begun,) = journal.actions(run.id)
    assert (begun.id, begun.run, begun.at, begun.status) == (entry, run.id, NOW, "begun")
    assert (begun.script, begun.verb, begun.reference) == ("clean-up", "delete tag", PLACE)
    assert (begun.digest, begun.reason, begun.tags) == (saved.digest, "older than 30 days", ("v1",))
    assert [journal.manifest(own) for own in begun.manifests] == list(saved.manifests)
    end(run, entry, "failed", "403 denied")
    (ended,) = journal.actions(run.id)
    assert (ended.status, ended.detail, ended.digest) == ("failed", "403 denied", saved.digest)


def test_manifests_lie_in_the_folder_under_their_digest(journal, tmp_path):
    saved = small(1)
    run = begin(journal)
    for _ in range(3):
        note(run, "clean-up", DeleteTag(PLACE), saved)
    path = tmp_path / "state" / "manifests" / "sha256" / saved.digest.hex
    assert path.read_bytes() == saved.manifests[0].raw
    assert kept(tmp_path) == [saved.digest.hex]


def test_only_the_owner_may_look_into_the_folder(journal, tmp_path):
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0


def test_runs_are_listed_newest_first_with_what_became_of_their_actions(journal, clock):
    first = begin(journal)
    for status in ("done", "done", "failed"):
        end(first, note(first, "clean-up", DeleteTag(PLACE), small(1)), status)
    first.finish("failed")
    clock.now += 60
    second = begin(journal)
    newest, oldest = journal.runs()
    assert (newest.id, newest.status, newest.ended, newest.counts) == (
        second.id,
        "running",
        None,
        {},
    )
    assert (oldest.status, oldest.ended) == ("failed", NOW)
    assert oldest.counts == {"done": 2, "failed": 1}
    assert (oldest.kind, oldest.config, oldest.fingerprint) == ("once", "regbot.yml", "f00d")
    assert [run.id for run in journal.runs(limit=1)] == [second.id]
    assert sorted([second.id, first.id]) == [first.id, second.id]


def test_an_id_tells_the_time_in_utc(journal):
    assert re.fullmatch(r"20261123-175501-[0-9a-f]{4}", begin(journal).id)


def test_a_run_is_found_by_the_beginning_of_its_id(journal, clock):
    first = begin(journal)
    clock.now += DAY
    second = begin(journal)
    assert journal.run(second.id[:8]).id == second.id
    assert journal.run(first.id).id == first.id
    with pytest.raises(InvalidValue, match=f"several runs begin with '2026': {second.id}"):
        journal.run("2026")
    for text in ("2027", ""):
        with pytest.raises(NotFound, match="no run"):
            journal.run(text)


def test_a_journal_goes_on_after_it_was_closed(tmp_path):
    with open_journal(tmp_path) as journal:
        run = begin(journal)
        note(run, "clean-up", DeleteTag(PLACE), small(1))
    with open_journal(tmp_path) as journal:
        assert [action.status for action in journal.actions(run.id)] == ["begun"]


def test_text_that_is_not_unicode_is_kept_readable(journal):
    run = begin(journal)
    entry = note(run, "caf\udce9", DeleteTag(PLACE, "\ud800"), small(1))
    end(run, entry, "failed", "\udcff")
    (action,) = journal.actions(run.id)
    assert (action.script, action.reason, action.detail) == (r"caf\udce9", r"\ud800", r"\udcff")


def test_a_folder_is_noted_so_that_it_is_found_from_anywhere(journal, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = begin(journal)
    note(run, "clean-up", DeleteTag(Reference.parse("ocidir://images:v1")), small(1))
    (action,) = journal.actions(run.id)
    assert str(action.reference) == f"ocidir://{tmp_path}/images:v1"


def test_old_runs_are_forgotten_with_the_manifests_only_they_need(journal, clock, tmp_path):
    old = begin(journal)
    note(old, "clean-up", DeleteTag(PLACE), small(1))
    note(old, "clean-up", DeleteTag(PLACE), small(2))
    old.finish("done")
    clock.now += 31 * DAY
    young = begin(journal)
    note(young, "clean-up", DeleteTag(PLACE), small(2))
    found = journal.forget(CONFIG, 30 * DAY)
    assert (found.runs, found.manifests) == (1, 1)
    assert [run.id for run in journal.runs()] == [young.id]
    assert journal.actions(old.id) == []
    assert kept(tmp_path) == [small(2).digest.hex]
    assert journal.forget(CONFIG, 30 * DAY).runs == 0


def test_a_long_run_is_as_young_as_its_last_action(journal, clock):
    run = begin(journal)
    clock.now += 31 * DAY
    note(run, "server", DeleteTag(PLACE), small(1))
    clock.now += DAY
    assert journal.forget(CONFIG, 30 * DAY).runs == 0
    assert len(journal.actions(run.id)) == 1


def test_files_left_unfinished_by_a_crash_go_when_they_are_old(journal, clock, tmp_path):
    note(begin(journal), "clean-up", DeleteTag(PLACE), small(1))
    folder = tmp_path / "state" / "manifests" / "sha256"
    for name, at in ((".regbot-old", NOW - DAY), (".regbot-young", NOW)):
        (folder / name).write_bytes(b"{")
        os.utime(folder / name, (at, at))
    journal.forget(CONFIG, 30 * DAY)
    assert kept(tmp_path) == [".regbot-young", small(1).digest.hex]


def test_a_manifest_forgotten_while_its_entry_is_written_is_kept_all_the_same(tmp_path):
    other = open_journal(tmp_path)

    def forgetting():
        old = begin(other)
        note(old, "clean-up", DeleteTag(PLACE), small(2))
        old.finish("done")
        assert other.forget(CONFIG, -DAY).runs == 1
        return NOW

    with other, open_journal(tmp_path, clock=forgetting) as journal:
        run = begin(journal)
        note(run, "clean-up", DeleteTag(PLACE), small(1))
        (action,) = journal.actions(run.id)
        assert journal.manifest(action.manifests[0]) == small(1).manifests[0]


def test_what_an_undo_needs_of_a_repository(journal, tmp_path):
    store, other = layout(tmp_path / "one"), layout(tmp_path / "other")
    index = make_index({"linux/amd64": make_image()})
    push(store, index, "v1")
    signature = push(store, make_referrer(index.manifest))
    push(other, make_image(created=None), "v1")
    run = begin(journal)
    delete_tags(run, store, "v1")
    (child,) = index.children
    needed = {index.digest, child.digest, signature.digest, *child.blobs}
    needed |= {blob.digest for blob in (signature.config, *signature.layers)}
    assert journal.needed(store.repository) == needed
    assert journal.needed(other.repository) == frozenset()
    delete_digest(run, other, make_image(created=None).digest)
    assert make_image(created=None).digest in journal.needed(other.repository)


def test_the_state_lies_where_the_platform_has_it(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert default_state() == Path("/somewhere/regbot")
