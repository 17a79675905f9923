"""What runs leave to be looked at, and how long it stays."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from random import Random

import pytest
from support.journals import end, note

from regbot.errors import NotFound, StorageError
from regbot.journal.opening import open_journal
from regbot.journal.records import Remainder, RepositoryDay, RunPage, ScriptRun
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import DeleteManifest, DeleteTag
from regbot.plan.recorder import Saved

NOW = 1_795_456_501.0  # 2026-11-23T17:55:01Z
DAY = 86400.0
NIGHTLY = ScriptRun("", "nightly", "server", "/regbot.yml", NOW)
APP = "registry.example.org/team/app"
API = "registry.example.org/team/api"
LINES = (
    {"time": "2026-11-23T17:55:01.000Z", "level": "INFO", "msg": "delete tag", "image": APP},
    {"time": "2026-11-23T17:55:02.000Z", "level": "WARN", "msg": "slow", "seconds": 1.5},
)


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def deleted(journal, *references, status="done", run_id="", was_gone=False):
    """A run that deletes these tags."""
    run = journal.begin_run(kind="server", config="", fingerprint="", run_id=run_id)
    for reference in references:
        entry = note(run, "nightly", DeleteTag(Reference.parse(reference)))
        end(run, entry, status, was_gone=was_gone)
    run.finish("done")
    return run.id


def test_a_run_leaves_its_report_and_its_log(state):
    with open_journal(state) as journal:
        run = journal.script_runs.begin(NIGHTLY)
        assert journal.pages.of(run.id) == RunPage()
        page = RunPage("<!DOCTYPE html>\n<p>käse \udcff", LINES)
        journal.pages.keep(run.id, page)
        assert journal.pages.of(run.id) == RunPage("<!DOCTYPE html>\n<p>käse \\udcff", LINES)
        assert journal.pages.of("20000101-000000-0000") == RunPage()


def test_a_report_that_is_too_large_is_not_kept_but_the_log_is(state):
    with open_journal(state) as journal:
        run = journal.script_runs.begin(NIGHTLY)
        huge = Random(1).randbytes(6 * 1024 * 1024).hex()
        journal.pages.keep(run.id, RunPage(huge, LINES))
        assert journal.pages.of(run.id) == RunPage("", LINES)


def test_a_page_goes_with_its_run(tmp_path):
    with open_journal(tmp_path, clock=lambda: NOW) as journal:
        old = journal.script_runs.begin(NIGHTLY)
        journal.pages.keep(old.id, RunPage("old", LINES))
        journal.script_runs.end(old)
        for number in range(500):
            journal.script_runs.end(
                journal.script_runs.begin(ScriptRun(*_nightly_at(NOW + number)))
            )
        journal.pages.keep(old.id, RunPage("again", LINES))
    with closing(sqlite3.connect(tmp_path / "history.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM run_page").fetchall() == [(0,)]


def _nightly_at(started):
    return "", "nightly", "server", "/regbot.yml", started


def test_a_damaged_page_is_told_as_damage(tmp_path):
    with open_journal(tmp_path) as journal:
        run = journal.script_runs.begin(NIGHTLY)
        journal.pages.keep(run.id, RunPage("page", LINES))
        with closing(sqlite3.connect(tmp_path / "history.sqlite")) as database:
            database.execute("UPDATE run_page SET log = 'x'")
            database.commit()
        with pytest.raises(StorageError, match="is damaged: the page of run"):
            journal.pages.of(run.id)


def test_a_run_of_a_script_is_found_by_its_id(state):
    with open_journal(state) as journal:
        with pytest.raises(NotFound):
            journal.script_runs.find("20000101-000000-0000")
        run = journal.script_runs.begin(NIGHTLY)
        assert journal.script_runs.find(run.id) == run
        with pytest.raises(NotFound):
            journal.script_runs.find(run.id[:8])


def test_the_newest_runs_of_one_script_of_a_config(state):
    with open_journal(state) as journal:
        assert journal.script_runs.of("/regbot.yml", "nightly", 3) == []
        for number in range(5):
            journal.script_runs.begin(ScriptRun(*_nightly_at(NOW + number)))
        journal.script_runs.begin(ScriptRun("", "weekly", "server", "/regbot.yml", NOW + 9))
        journal.script_runs.begin(ScriptRun("", "nightly", "server", "/other.yml", NOW + 9))
        runs = journal.script_runs.of("/regbot.yml", "nightly", 3)
        assert [run.started - NOW for run in runs] == [4, 3, 2]


def test_deletes_are_counted_by_repository_and_day(state):
    clock = Clock()
    with open_journal(state, clock=clock) as journal:
        assert journal.pages.repository_days() == []
        deleted(journal, f"{APP}:a", f"{APP}:b", f"{API}:a")
        clock.now += 1
        last_run = deleted(journal, f"{APP}:c")
        clock.now += DAY
        deleted(journal, f"{APP}:d", status="failed")
        deleted(journal, f"{APP}:e", was_gone=True)
        next_run = deleted(journal, f"{APP}:f")
        days = {(item.repository, item.day): item for item in journal.pages.repository_days()}
    first, second = date(2026, 11, 23), date(2026, 11, 24)
    assert list(days) == [(API, first), (APP, first), (APP, second)]
    assert [item.deleted for item in days.values()] == [1, 3, 1]
    assert days[APP, first].run == last_run
    assert days[APP, second] == RepositoryDay(APP, second, 1, None, None, next_run)


def test_a_manifest_counts_by_the_tags_that_go_with_it(state):
    digest = Digest.parse(f"sha256:{'a' * 64}")
    manifest = DeleteManifest(Reference.parse(f"{APP}@{digest}"), digest)
    with open_journal(state) as journal:
        run = journal.begin_run(kind="once", config="", fingerprint="")
        for tags in ((), (Tag("a"), Tag("b"))):
            end(run, note(run, "nightly", manifest, Saved(digest, (), tags)), "done")
        assert [item.deleted for item in journal.pages.repository_days()] == [3]


def test_what_stays_is_that_of_the_last_run_and_bytes_add_up(state):
    clock = Clock()
    with open_journal(state, clock=clock) as journal:
        for kept, freeable in ((7, 100), (5, 20), (None, 3)):
            run = journal.script_runs.begin(NIGHTLY)
            deleted(journal, f"{APP}:{kept}", run_id=run.id)
            journal.pages.keep(run.id, RunPage(), [Remainder(APP, kept, freeable)])
            clock.now += 1
        [item] = journal.pages.repository_days()
        assert (item.deleted, item.kept, item.freeable) == (3, 5, 123)
        deleted(journal, f"{APP}:by-hand")
        [item] = journal.pages.repository_days()
        assert (item.deleted, item.kept, item.freeable) == (4, 5, None), "not all runs told"
        clock.now += 10 * DAY
        journal.forget("", DAY)
        assert journal.pages.repository_days() == []


def test_a_layout_folder_is_the_same_by_its_relative_name(tmp_path, monkeypatch, state):
    monkeypatch.chdir(tmp_path)
    with open_journal(state) as journal:
        run = journal.script_runs.begin(NIGHTLY)
        deleted(journal, "ocidir://images:old", run_id=run.id)
        journal.pages.keep(run.id, RunPage(), [Remainder("ocidir://images", 4, 0)])
        [item] = journal.pages.repository_days()
    assert (item.repository, item.kept) == (f"ocidir://{tmp_path}/images", 4)


def test_what_one_run_deleted(state):
    with open_journal(state, clock=lambda: NOW) as journal:
        run = deleted(journal, f"{APP}:a", f"{APP}:b", f"{API}:a")
        deleted(journal, f"{APP}:c")
        items = journal.pages.deleted_by(run)
    assert [(item.repository, item.deleted) for item in items] == [(API, 1), (APP, 2)]
