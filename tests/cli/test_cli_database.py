"""Commands whose state is in PostgreSQL: they do what they do with a folder."""

from __future__ import annotations

import sys

import pytest
from support.applying import APP, bot_in
from support.postgres import PASSWORD
from support.registry import DISTRIBUTION_3

from regbot.errors import UsageError
from regbot.journal.opening import open_journal


@pytest.fixture
def bot(tmp_path, database_url):
    with bot_in(tmp_path, DISTRIBUTION_3, database=database_url) as bot:
        bot.fill(old=3, new=2)
        bot.configure()
        yield bot


def first_cell(text):
    """The first cell of the only line of a table."""
    (line,) = (line for line in text.splitlines() if "\t" in line)
    return line.split("\t")[0]


def test_what_a_run_deleted_is_in_the_history_and_comes_back(bot):
    before = dict(bot.registry.tags(APP))
    done = bot.run("once")
    assert done.returncode == 0, done.stderr
    assert set(bot.registry.tags(APP)) == {"new0", "new1"}
    run = first_cell(bot.run("history").stdout)
    assert bot.run("history", run).stdout.count(f"{APP}:old") == 3
    assert bot.run("undo", run).returncode == 0
    assert dict(bot.registry.tags(APP)) == before


def test_a_plan_is_kept_shown_and_applied(bot):
    assert bot.run("plan").returncode == 0
    plan = first_cell(bot.run("show").stdout)
    assert bot.run("show", plan).stdout.count(f"{APP}:old") == 3
    assert bot.run("apply", plan).returncode == 0
    assert set(bot.registry.tags(APP)) == {"new0", "new1"}


def test_nothing_is_written_beside_the_database(bot):
    names = {path.name for path in bot.folder.iterdir()}
    assert bot.run("once").returncode == 0
    assert {path.name for path in bot.folder.iterdir()} == names


def test_a_database_that_is_away_is_one_line_without_the_password(bot, tmp_path):
    wrong = bot.database.replace("127.0.0.1", "127.0.0.1.invalid")
    (tmp_path / "database").write_text(wrong)
    done = bot.run("history")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "127.0.0.1.invalid" in line
    assert PASSWORD not in line
    assert "%20" not in line


def test_nothing_is_deleted_while_the_journal_is_away(bot, tmp_path):
    (tmp_path / "database").write_text(bot.database.replace("127.0.0.1", "127.0.0.1.invalid"))
    done = bot.run("once")
    assert done.returncode == 1
    assert bot.wrote() == []
    assert PASSWORD not in done.stderr


def test_the_history_tells_which_command_was_typed(bot):
    assert bot.run("tag", "rm", f"{bot.registry.host}/{APP}:old0").returncode == 0
    assert f"\ttag rm {bot.registry.host}/{APP}:old0\t" in bot.run("history").stdout


def test_what_two_runs_delete_at_once_is_in_the_history(bot):
    runs = [bot.start("once") for _ in range(2)]
    assert {run.wait() for run in runs} <= {0, 1}
    deleted = [
        str(action.reference.tag)
        for actions in bot.journalled().values()
        for action in actions
        if action.status == "done" and not action.detail
    ]
    assert set(deleted) == {"old0", "old1", "old2"}


def test_what_is_used_is_remembered_there(bot, tmp_path):
    (tmp_path / "used.txt").write_text(f"{bot.app}:old1\n")
    bot.configure_all(
        {"clean": {"script": "tag.delete(app .. ':old1')"}},
        inUse={"file": "used.txt", "seenWithin": "30d"},
    )
    assert bot.run("once").returncode == 0
    (tmp_path / "used.txt").write_text(f"{bot.app}:new0\n")
    assert bot.run("once").returncode == 0
    assert "old1" in bot.registry.tags(APP)
    assert f"{bot.app}:old1" in bot.run("in-use").stdout


def test_missing_packages_are_named(bot, monkeypatch):
    monkeypatch.setitem(sys.modules, "regbot.journal.postgres", None)
    with pytest.raises(UsageError, match=r"pip install '.\[cluster\]'"):
        open_journal(bot.state)
