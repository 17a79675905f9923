"""undo as a user calls it: without a config, in a dry run, with its closing count."""

import json
import sqlite3
from contextlib import closing

import pytest
from support.applying import APP, bot_in
from support.command import last_line, regbot
from support.registry import DISTRIBUTION_3


@pytest.fixture
def bot(tmp_path):
    """Its journal is in the usual folder, so that it is found without a config."""
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=3, new=2)
        bot.configure()
        config = json.loads((tmp_path / "bot.yml").read_text())
        del config["defaults"]["state"]
        (tmp_path / "bot.yml").write_text(json.dumps(config))
        yield bot


@pytest.fixture
def run(bot):
    """The id of a run that deleted ``old0`` to ``old2``."""
    assert bot.run("once").returncode == 0
    listed = regbot("history", home=bot.folder).stdout.splitlines()
    return listed[0].split()[0]


def undo(bot, *arguments, cwd="/"):
    return regbot("undo", *arguments, home=bot.folder, cwd=cwd)


def test_the_config_of_the_run_is_used(bot, run):
    done = undo(bot, run)
    assert done.returncode == 0, done.stderr
    first, *_ = done.stderr.splitlines()
    assert first == f"using the run's config, {bot.folder / 'bot.yml'} (-c names another)"
    assert len(bot.registry.tags(APP)) == 5
    assert last_line(done.stdout) == "put back 3 tags in 1 repository"


def test_another_config_wins(bot, run):
    (bot.folder / "bot.yml").rename(bot.folder / "moved.yml")
    done = undo(bot, run, "-c", "moved.yml", cwd=bot.folder)
    assert done.returncode == 0
    assert "using the run's config" not in done.stderr


def test_a_config_that_is_gone_is_said(bot, run):
    (bot.folder / "bot.yml").unlink()
    done = undo(bot, run)
    assert done.returncode == 2
    assert f"{bot.folder / 'bot.yml'}: there is no such file" in done.stderr


def test_a_config_from_standard_input_can_not_be_found_again(bot):
    text = (bot.folder / "bot.yml").read_text()
    assert regbot("once", "-c", "-", home=bot.folder, stdin=text).returncode == 0
    run = regbot("history", home=bot.folder).stdout.splitlines()[0].split()[0]
    done = undo(bot, run)
    assert "the run's config, -, can't be found again (name it with -c)" in done.stderr
    assert done.returncode == 1


def test_a_relative_name_of_an_old_history_is_not_guessed(bot, run):
    (history,) = bot.folder.rglob("history.sqlite")
    with closing(sqlite3.connect(history)) as database, database:
        database.execute("UPDATE run SET config = 'bot.yml'")
    done = undo(bot, run, cwd=bot.folder)
    assert "the run's config, bot.yml, can't be found again (name it with -c)" in done.stderr


def test_a_run_in_another_folder_is_looked_for_with_c(bot):
    bot.configure()
    assert bot.run("once").returncode == 0
    (run,) = bot.journalled()
    done = undo(bot, run)
    assert done.returncode == 1
    assert done.stderr == (
        f"there is no run {run!r} in the history; regbot history lists all"
        " (a config that sets state has a history of its own: name it with -c)\n"
    )


def test_a_dry_run_puts_nothing_back_and_says_what_it_would(bot, run):
    bot.registry.tag(APP, "old2", bot.registry.tags(APP)["new0"])
    before = bot.registry.tags(APP)
    bot.registry.forget()
    done = undo(bot, run, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert bot.wrote() == []
    assert bot.registry.tags(APP) == before
    assert {line.split("\t")[2] for line in done.stdout.splitlines()[:-1]} == {"planned", "skipped"}
    assert done.stdout.splitlines()[-1] == "would put back 2 tags in 1 repository; 1 skipped"
    assert len(regbot("history", home=bot.folder).stdout.splitlines()) == 1
    assert last_line(undo(bot, run).stdout) == "put back 2 tags in 1 repository; 1 skipped"


def test_the_history_says_how_long_a_run_took(bot, run):
    (line,) = regbot("history", home=bot.folder).stdout.splitlines()
    _, _, command, status, took, *_ = line.split("\t")
    assert (command, status) == ("once", "done")
    assert took.endswith("s")


def test_only_some_tags(bot, run):
    done = undo(bot, run, "--tag", "old1", "--tag", f"{bot.app}:old2")
    assert last_line(done.stdout) == "put back 2 tags in 1 repository"
    assert "old0" not in bot.registry.tags(APP)


@pytest.mark.parametrize("arguments", [("history",), ("undo", "2026", "--dry-run")])
def test_looking_makes_no_journal(bot, arguments):
    done = regbot(*arguments, home=bot.folder, cwd=bot.folder)
    assert done.stdout == "the journal is empty: no run has changed anything\n" or done.returncode
    assert list(bot.folder.rglob("history.sqlite")) == []
