"""A run that has not said how it ended goes on, or was interrupted: its process tells which."""

import signal
import sqlite3
import threading
from contextlib import closing
from shutil import copytree

from support.applying import APP, bot_in
from support.journals import CONFIG, PLACE, begin, end, note, small

from regbot.image.options import CopyOptions
from regbot.journal.opening import open_journal
from regbot.plan.action import CopyImage, DeleteTag

DAY = 86400.0


def status_of(folder):
    with open_journal(folder) as journal:
        (run,) = journal.runs()
        assert journal.run(run.id) == run
        return run.status


def test_a_killed_run_is_interrupted(tmp_path):
    with bot_in(tmp_path) as bot:
        bot.fill(old=3, new=1)
        bot.configure()
        reached, go = threading.Event(), threading.Event()
        bot.registry.before("DELETE", "/old1", lambda: (reached.set(), go.wait(60)))
        running = bot.start("once")
        assert reached.wait(60)
        listed = bot.run("history").stdout
        running.send_signal(signal.SIGKILL)
        go.set()
        assert running.wait(60) == -signal.SIGKILL
        assert "\trunning\t" in listed
        listed = bot.run("history").stdout
        assert "\tinterrupted\t" in listed
        assert "\trunning\t" not in listed
        (run,) = bot.journalled()
        assert bot.run("undo", run).returncode == 0
        assert len(bot.registry.tags(APP)) == 4


def test_a_run_goes_on_as_long_as_its_journal_is_open(tmp_path):
    journal = open_journal(tmp_path)
    run = begin(journal)
    note(run, "clean-up", DeleteTag(PLACE), small(1))
    assert status_of(tmp_path) == "running"
    journal.close()
    assert status_of(tmp_path) == "interrupted"


def test_a_run_of_before_a_reboot_is_interrupted_whoever_has_its_number(tmp_path):
    """What a reboot leaves is the folder; no lock outlasts it, whatever runs afterwards."""
    with open_journal(tmp_path / "before") as journal:
        note(begin(journal), "clean-up", DeleteTag(PLACE), small(1))
        copytree(tmp_path / "before", tmp_path / "after")
        assert status_of(tmp_path / "before") == "running"
        assert status_of(tmp_path / "after") == "interrupted"


def test_a_finished_run_leaves_no_lock(tmp_path):
    with open_journal(tmp_path) as journal:
        run = begin(journal)
        note(run, "clean-up", DeleteTag(PLACE), small(1))
        assert run.finish("done")
    assert status_of(tmp_path) == "done"
    assert list((tmp_path / "running").iterdir()) == []


def test_a_run_that_goes_on_is_not_forgotten_and_an_interrupted_one_is(tmp_path):
    with open_journal(tmp_path) as journal:
        going = begin(journal)
        note(going, "clean-up", DeleteTag(PLACE), small(1))
        with open_journal(tmp_path) as other:
            note(begin(other), "clean-up", DeleteTag(PLACE), small(2))
        assert journal.forget(CONFIG, -DAY).runs == 1
        assert [run.id for run in journal.runs()] == [going.id]
        assert [path.name for path in (tmp_path / "running").iterdir()] == [going.id]


def test_what_changed_nothing_is_no_entry_and_without_entries_there_is_no_run(tmp_path):
    copy = CopyImage(PLACE, PLACE.with_tag(PLACE.tag), CopyOptions())
    with open_journal(tmp_path) as journal:
        run = begin(journal)
        end(run, note(run, "mirror", copy), "unchanged")
        assert journal.actions(run.id) == []
        assert not run.finish("done")
        assert journal.runs() == []


SCHEMA_1 = """
CREATE TABLE run (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, config TEXT NOT NULL, fingerprint TEXT NOT NULL,
    started REAL NOT NULL, ended REAL, status TEXT NOT NULL);
CREATE TABLE action (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
    at REAL NOT NULL, script TEXT NOT NULL, verb TEXT NOT NULL,
    reference TEXT NOT NULL, digest TEXT NOT NULL, reason TEXT NOT NULL,
    status TEXT NOT NULL, detail TEXT NOT NULL, tags TEXT NOT NULL, missing TEXT NOT NULL,
    repository TEXT NOT NULL);
CREATE INDEX action_by_run ON action(run);
CREATE INDEX action_by_repository ON action(repository);
CREATE TABLE saved (
    action INTEGER NOT NULL REFERENCES action(id) ON DELETE CASCADE,
    place INTEGER NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL,
    PRIMARY KEY (action, place)) WITHOUT ROWID;
CREATE INDEX saved_by_digest ON saved(digest);
INSERT INTO run VALUES ('20261101-000000-aaaa', 'once', 'bot.yml', 'f00d', 1, 2, 'done');
INSERT INTO run VALUES ('20261102-000000-bbbb', 'once', 'bot.yml', 'f00d', 3, NULL, 'running');
INSERT INTO action VALUES (1, '20261101-000000-aaaa', 1, 'clean', 'delete tag',
    'registry.example.org/team/app:v1', '', 'old', 'failed', 'no', 'v1', '',
    'registry.example.org/team/app');
INSERT INTO action VALUES (2, '20261102-000000-bbbb', 3, 'clean', 'delete tag',
    'registry.example.org/team/app:v1', '', 'old', 'done', '', 'v1', '',
    'registry.example.org/team/app');
INSERT INTO action VALUES (3, '20261102-000000-bbbb', 3, 'clean', 'delete tag',
    'registry.example.org/team/app:v2', '', 'old', 'done', 'already gone', '', '',
    'registry.example.org/team/app');
PRAGMA user_version = 1;
"""
"""The history as the first version wrote it."""


def test_a_history_of_the_first_version_goes_on(tmp_path):
    with closing(sqlite3.connect(tmp_path / "history.sqlite")) as old:
        old.executescript(SCHEMA_1)
    with open_journal(tmp_path) as journal:
        assert [(run.status, run.config) for run in journal.runs()] == [
            ("interrupted", "bot.yml"),
            ("done", "bot.yml"),
        ]
        (action,) = journal.actions("20261101-000000-aaaa")
        assert (action.status, action.tags) == ("failed", ("v1",))
        (day,) = journal.pages.deleted_by("20261102-000000-bbbb")
        assert day.deleted == 1
        run = begin(journal)
        end(run, note(run, "clean-up", DeleteTag(PLACE), small(1)), "stopped")
        run.finish("stopped")
        assert journal.runs()[0].status == "stopped"
