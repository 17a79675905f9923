"""state copy: all that is remembered moves to another place, and works from there."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

import pytest
from support.applying import APP, bot_in
from support.clusterworker import until
from support.command import regbot
from support.journals import PLACE, begin, end, note, small
from support.postgres import PASSWORD

from regbot.errors import Conflict
from regbot.journal.copying import TABLES, copy_state
from regbot.journal.leases import Leases
from regbot.journal.opening import open_journal, open_sightings
from regbot.journal.place import DatabaseUrl
from regbot.journal.serverlock import only_server
from regbot.journal.shared import open_database
from regbot.plan.action import DeleteTag
from regbot.rules.in_use.sightings import Sighting

SEEN = Sighting("a list", "reg.example/app:1", 1_800_000_000.0, "line 1")


def without_password(url):
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@")))


class Copies:
    """The command in a folder; the password of the database is in the environment."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, source, target):
        done = regbot(
            "state", "copy", str(source), str(target),
            home=self.folder, cwd=self.folder, variables={"PGPASSWORD": PASSWORD},
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        return done


@pytest.fixture
def copies(tmp_path):
    return Copies(tmp_path)


def fill(state):
    """What a state can hold; the id of its run."""
    with open_journal(state) as journal:
        run = begin(journal)
        for number in range(3):
            entry = note(run, "clean-up", DeleteTag(PLACE), small(number))
            end(run, entry, "done")
        run.finish("done")
        left = begin(journal)
        note(left, "clean-up", DeleteTag(PLACE), small(7))
        journal.keep_plan(b"a plan", made=1e9, config="/bot.yml", summary="3 deletes")
        waiting = journal.keep_plan(
            b"another", made=1e9, config="/bot.yml", summary="", script="a", approve_within=1e12
        )
        journal.approve_plan(waiting.id)
        journal.set_failing("/bot.yml", "clean-up", failing=True)
    open_sightings(state).take_over([SEEN])
    return run.id


def contents(state):
    """All that can be asked of a state."""
    with open_journal(state) as journal:
        runs = journal.runs()
        actions = {run.id: journal.actions(run.id) for run in runs}
        return {
            "runs": runs,
            "actions": actions,
            "manifests": [
                journal.manifest(saved)
                for records in actions.values()
                for action in records
                for saved in action.manifests
            ],
            "plans": [(plan, journal.plan_content(plan)) for plan in journal.plans()],
            "failing": journal.failing("/bot.yml"),
            "script runs": journal.script_runs.all(),
            "seen": open_sightings(state).all(),
        }


def test_the_tables_are_all_that_a_history_has(tmp_path):
    open_journal(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "history.sqlite")) as file:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        names = [name for (name,) in file.execute(query)]
        columns = {
            name: {row[1] for row in file.execute(f"PRAGMA table_info({name})")} for name in names
        }
    assert {table.name: set(table.columns) for table in TABLES} == columns


@pytest.mark.parametrize("how", ["folders", "to database", "from database"])
def test_all_is_there_afterwards_and_goes_on(tmp_path, request, how):
    source, target = tmp_path / "from", tmp_path / "to"
    if how == "to database":
        target = DatabaseUrl.parse(request.getfixturevalue("database_url"))
    if how == "from database":
        source = DatabaseUrl.parse(request.getfixturevalue("database_url"))
    fill(source)
    before = contents(source)
    copied = copy_state(source, target, lambda *_: None)
    assert contents(target) == before == contents(source)
    assert (copied.rows["run"], copied.rows["action"], copied.manifests) == (2, 4, 4)
    assert (copied.rows["plan"], copied.sightings, copied.unreadable) == (2, 1, ())
    with open_journal(target) as journal:
        run = begin(journal)
        entry = note(run, "clean-up", DeleteTag(PLACE), small(9))
        end(run, entry, "done")
        assert [action.status for action in journal.actions(run.id)] == ["done"]


def test_more_rows_than_are_held_at_once(tmp_path, database_url, monkeypatch):
    monkeypatch.setattr(
        "regbot.journal.copying.TABLES",
        tuple(type(table)(table.name, table.noun, table.key, table.others, 2) for table in TABLES),
    )
    fill(tmp_path / "from")
    steps = []
    url = DatabaseUrl.parse(database_url)
    copy_state(tmp_path / "from", url, lambda *step: steps.append(step))
    assert contents(url) == contents(tmp_path / "from")
    assert [step for step in steps if step[0] == "actions"] == [
        ("actions", 2, 4),
        ("actions", 4, 4),
    ]


def test_history_plans_and_undo_work_from_the_target(tmp_path, database_url, copies):
    """To a database, and back to a folder."""
    url = without_password(database_url)
    with bot_in(tmp_path) as bot:
        tags = bot.fill(old=3, new=1)
        bot.configure()
        assert bot.run("once").returncode == 0
        (run,) = bot.journalled()
        listed = bot.run("history").stdout
        done = copies("state", url)
        assert done.returncode == 0, done.stderr
        assert "1 run, 3 actions, 3 saved manifests, 0 plans" in done.stdout
        assert done.stdout.endswith(f" to {url}\n")
        shutil.move(tmp_path / "state", tmp_path / "old state")
        bot.configure_all({"clean": {"script": ""}}, state="back")
        done = copies(url, "bot.yml")
        assert done.returncode == 0, done.stderr
        assert bot.run("history").stdout == listed
        assert bot.run("undo", run).returncode == 0
        assert bot.registry.tags(APP) == tags


@pytest.mark.parametrize("into", ["folder", "database"])
def test_a_target_with_something_in_it_is_left_as_it_is(tmp_path, request, into):
    target = tmp_path / "to"
    if into == "database":
        target = DatabaseUrl.parse(request.getfixturevalue("database_url"))
    fill(tmp_path / "from")
    fill(target)
    before = contents(target)
    with pytest.raises(Conflict, match="there is something in"):
        copy_state(tmp_path / "from", target, lambda *_: None)
    assert contents(target) == before


@pytest.mark.parametrize("into", ["folder", "database"])
def test_what_breaks_off_leaves_nothing_and_can_be_done_again(tmp_path, request, into):
    target = tmp_path / "to"
    if into == "database":
        target = DatabaseUrl.parse(request.getfixturevalue("database_url"))
    fill(tmp_path / "from")

    def tell(noun, _done, _total):
        if noun == "manifests":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_state(tmp_path / "from", target, tell)
    with open_journal(target) as journal:
        assert journal.runs() == []
    copy_state(tmp_path / "from", target, lambda *_: None)
    assert contents(target) == contents(tmp_path / "from")


def test_a_manifest_that_was_lost_is_told_and_the_rest_copied(tmp_path, copies):
    fill(tmp_path / "from")
    digest = small(1).digest
    (tmp_path / "from" / "manifests" / "sha256" / digest.hex).write_bytes(b"{}")
    done = copies("from", "to")
    assert done.returncode == 0
    assert f"{digest.hex}" in done.stderr
    assert "can't be undone" in done.stderr
    assert "4 actions, 3 saved manifests" in done.stdout


@pytest.mark.parametrize("busy", ["from", "to"])
def test_while_a_server_works_with_one_of_them_nothing_is_copied(tmp_path, copies, busy):
    fill(tmp_path / "from")
    with only_server(tmp_path / busy):
        done = copies("from", "to")
        assert done.returncode == 1
        assert "server works with the folder" in done.stderr
    assert copies("from", "to").returncode == 0


def test_while_a_run_goes_on_nothing_is_copied(tmp_path, copies):
    with open_journal(tmp_path / "from") as journal:
        run = begin(journal)
        note(run, "clean-up", DeleteTag(PLACE), small(1))
        done = copies("from", "to")
    assert done.returncode == 1
    assert f"run {run.id} goes on" in done.stderr
    assert copies("from", "to").returncode == 0


def test_while_a_worker_lives_nothing_is_copied(tmp_path, database_url, copies):
    url = DatabaseUrl.parse(database_url)
    fill(url)
    with closing(open_database(url, 5.0)) as database:
        leases = Leases(database, lambda: open_database(url, 5.0))
        with closing(leases):
            leases.lease()
            done = copies(without_password(database_url), "to")
            assert done.returncode == 1
            assert "(stop it first)" in done.stderr
        done = copies(without_password(database_url), "to")
    assert done.returncode == 0, done.stderr


def test_while_a_server_works_with_a_database_nothing_is_copied(tmp_path, database_url, copies):
    with bot_in(tmp_path, database=database_url) as bot:
        bot.configure(interval="1h")
        with bot.server() as server:
            with open_journal(bot.state) as journal:
                until(lambda: journal.has_server(str(tmp_path / "bot.yml")))
            done = copies(without_password(database_url), "to")
            assert done.returncode == 1
            assert "(stop it first)" in done.stderr
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
        done = copies(without_password(database_url), "to")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("source", "target", "code", "message"),
    [
        ("nothing", "to", 1, "there is no state in nothing"),
        ("from", "from", 1, "can't be copied to itself"),
        ("from", "postgresql://u:secret@db/x", 2, "leave out the password"),
        ("from", "postgresql://u@db/x?password=secret", 2, "leave out the password"),
        ("mysql://db/x", "to", 2, "is no URL such as"),
        ("", "to", 2, "empty"),
        ("absent.yml", "to", 2, "absent.yml"),
    ],
)
def test_what_can_t_be_copied(tmp_path, copies, source, target, code, message):
    fill(tmp_path / "from")
    done = copies(source, target)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert "secret" not in done.stderr
