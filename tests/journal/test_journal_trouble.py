"""A journal that can't be written: one clear error, and no entry that isn't whole."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from support.journals import CONFIG, PLACE, begin, end, note, small

from regbot.errors import StorageError
from regbot.journal.opening import open_journal
from regbot.oci.digest import Digest
from regbot.plan.action import DeleteTag

WRITER = [sys.executable, "-m", "support.journals"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


def writer(folder, count, *, limit=0, size=0):
    return subprocess.Popen(
        [*WRITER, str(folder), str(count), str(limit), str(size)],
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
    )


def said(process):
    """What a writer printed until it ended."""
    with process:
        return [json.loads(line) for line in process.stdout]


def entries(folder):
    """Every entry's id and digest, with its manifest read and checked."""
    with open_journal(folder) as journal:
        actions = [action for run in journal.runs() for action in journal.actions(run.id)]
        for action in actions:
            assert [journal.manifest(own).digest for own in action.manifests] == [action.digest]
        return sorted([action.id, str(action.digest)] for action in actions)


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


def about_to(run, number=1):
    return note(run, "clean-up", DeleteTag(PLACE), small(number))


@contextmanager
def exclusive(folder):
    """Another connection that holds the history for itself."""
    with closing(sqlite3.connect(folder / "history.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def test_a_locked_history_is_an_error_and_nothing_is_noted(tmp_path):
    with open_journal(tmp_path, patience=0.05) as journal:
        run = begin(journal)
        entry = about_to(run, 1)
        with exclusive(tmp_path):
            for change in (
                lambda: about_to(run, 2),
                lambda: end(run, entry, "done"),
                lambda: run.finish("done"),
                lambda: begin(journal),
                lambda: journal.forget(CONFIG, 0),
            ):
                with pytest.raises(StorageError) as error:
                    change()
                assert "is locked by another process (wait" in one_line(error)
        assert [action.status for action in journal.actions(run.id)] == ["begun"]
        end(run, entry, "done")
        assert about_to(run, 2) > entry


def test_a_history_that_is_locked_from_the_start_is_an_error(tmp_path):
    (tmp_path / "history.sqlite").touch()
    with exclusive(tmp_path), pytest.raises(StorageError, match="is locked by another process"):
        open_journal(tmp_path, patience=0.05)


def test_a_writer_waits_for_another_one(tmp_path):
    with open_journal(tmp_path, patience=30) as journal:
        run = begin(journal)
        waiting = threading.Thread(target=about_to, args=(run,))
        with exclusive(tmp_path):
            waiting.start()
        waiting.join()
        assert len(journal.actions(run.id)) == 1


@pytest.mark.parametrize(("limit", "size"), [(200_000, 0), (60_000, 0), (20_000, 30_000)])
def test_a_full_disk_is_an_error_and_no_entry_is_lost(tmp_path, limit, size):
    *noted, last = said(writer(tmp_path, 2000, limit=limit, size=size))
    assert last[0] == "StorageError"
    assert "can't" in last[1]
    assert "\n" not in last[1]
    assert entries(tmp_path) == sorted(noted)


def test_a_writer_killed_at_any_moment_leaves_what_it_said(tmp_path):
    chance = random.Random(5)
    noted = []
    for _ in range(5):
        with ExitStack() as ending:
            processes = [writer(tmp_path, 100_000) for _ in range(2)]
            for process in processes:
                ending.callback(process.kill)
            for process in processes:
                heard = [process.stdout.readline() for _ in range(chance.randrange(1, 60))]
                noted += [json.loads(line) for line in heard]
        for process in processes:
            noted += said(process)
    found = entries(tmp_path)
    assert all(entry in found for entry in noted)
    assert len(found) - len(noted) <= 10  # one a process, noted but not yet said
    with closing(sqlite3.connect(tmp_path / "history.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_many_processes_that_begin_and_write_at_once(tmp_path):
    processes = [writer(tmp_path, 50) for _ in range(4)]
    noted = [entry for process in processes for entry in said(process)]
    assert len(noted) == 200
    assert entries(tmp_path) == sorted(noted)


def test_threads_share_a_journal(tmp_path):
    with open_journal(tmp_path) as journal:
        run = begin(journal)
        threads = [
            threading.Thread(target=lambda: [about_to(run, n) for n in range(20)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({action.id for action in journal.actions(run.id)}) == 80


def test_a_file_that_is_no_history_is_an_error(tmp_path):
    (tmp_path / "history.sqlite").write_bytes(b"rubbish" * 1000)
    with pytest.raises(StorageError, match=r"is damaged.*move it away") as error:
        open_journal(tmp_path)
    assert str(tmp_path / "history.sqlite") in one_line(error)


def test_a_history_damaged_in_the_middle_is_an_error(tmp_path):
    with open_journal(tmp_path) as journal:
        run = begin(journal)
        for number in range(50):
            about_to(run, number)
    path = tmp_path / "history.sqlite"
    raw = path.read_bytes()
    path.write_bytes(raw[:4096] + os.urandom(len(raw) - 4096))
    with open_journal(tmp_path) as journal, pytest.raises(StorageError, match="damaged") as error:
        journal.runs()
    one_line(error)


def test_a_history_with_a_broken_row_is_an_error(tmp_path):
    with open_journal(tmp_path) as journal:
        run = begin(journal)
        about_to(run)
        with closing(sqlite3.connect(tmp_path / "history.sqlite")) as other, other:
            other.execute("UPDATE action SET digest = 'md5:0'")
        with pytest.raises(StorageError, match="is damaged"):
            journal.actions(run.id)


def test_a_history_of_a_newer_version_is_left_alone(tmp_path):
    open_journal(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "history.sqlite")) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError, match="a newer version of regbot"):
        open_journal(tmp_path)


def test_a_file_where_the_folder_should_be_is_an_error(tmp_path):
    (tmp_path / "state").write_text("")
    with pytest.raises(StorageError, match="can't write"):
        open_journal(tmp_path / "state")


@contextmanager
def nobody():
    """Be a user whom permissions hold, since root passes them all."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("existing", [False, True])
def test_a_folder_that_can_t_be_written_is_an_error(existing):
    folder = Path(tempfile.mkdtemp(prefix="regbot-test-"))
    try:
        if existing:
            open_journal(folder).close()
        folder.chmod(0o555)
        with nobody(), pytest.raises(StorageError) as error, open_journal(folder) as journal:
            begin(journal)
        assert str(folder) in one_line(error)
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def path_of(folder: Path, digest: Digest) -> Path:
    return folder / "manifests" / digest.algorithm / digest.hex


@pytest.mark.parametrize("content", [b"", b"{}", b'{"schemaVersion": 2'])
def test_a_damaged_manifest_is_not_given_out(tmp_path, content):
    with open_journal(tmp_path) as journal:
        run = begin(journal)
        about_to(run)
        (saved,) = journal.actions(run.id)[0].manifests
        path = path_of(tmp_path, saved.digest)
        path.write_bytes(content)
        with pytest.raises(StorageError, match="a saved manifest is damaged"):
            journal.manifest(saved)
        path.unlink()
        with pytest.raises(StorageError, match="a saved manifest is gone"):
            journal.manifest(saved)


def test_a_damaged_manifest_is_written_anew_when_it_is_saved_again(tmp_path):
    with open_journal(tmp_path) as journal:
        run = begin(journal)
        about_to(run)
        (saved,) = journal.actions(run.id)[0].manifests
        path_of(tmp_path, saved.digest).write_bytes(b"\0")
        about_to(run)
        assert journal.manifest(saved).digest == saved.digest
