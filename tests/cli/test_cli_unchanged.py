"""A copy that finds everything in place is 'unchanged', and no change that anybody counts."""

import json

import pytest
from support.applying import APP, bot_in
from support.command import last_line

MIRROR = 'image.copy(app .. ":new0", app .. "-mirror:new0")'


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path) as bot:
        bot.fill(old=1, new=1)
        bot.configure(MIRROR)
        assert bot.run("once").returncode == 0
        bot.registry.forget()
        yield bot


def test_it_is_no_entry_of_the_history(bot):
    before = bot.journalled()
    assert [len(actions) for actions in before.values()] == [1]
    done = bot.run("once", "--report", "out.json")
    assert done.returncode == 0
    assert 'msg="copy image: unchanged"' in done.stderr
    assert 'msg="kept in the history"' not in done.stderr
    assert bot.wrote() == []
    assert bot.journalled() == before
    report = json.loads((bot.folder / "out.json").read_text())
    assert report["counts"] == {"unchanged": 1}


def test_it_is_reported_where_the_script_has_a_guard(bot):
    bot.configure(f'{MIRROR} tag.delete(app .. ":old0")', guard={"maxDeletes": 1})
    assert bot.run("once", "--report", "out.json").returncode == 0
    report = json.loads((bot.folder / "out.json").read_text())
    assert report["counts"] == {"done": 1, "unchanged": 1}


def test_other_actions_of_the_run_are_entries_all_the_same(bot):
    bot.configure(f'{MIRROR} tag.delete(app .. ":old0")')
    assert bot.run("once").returncode == 0
    newest = next(iter(bot.journalled().values()))
    assert [action.verb for action in newest] == ["delete tag"]


def test_it_is_not_in_a_plan_or_its_count(bot):
    assert bot.make_plan()["actions"] == []
    done = bot.run("once", "--dry-run")
    assert last_line(done.stdout) == "would change nothing; 1 action unchanged"
    bot.registry.put_image(APP, "new0", labels={"n": "newer"})
    assert len(bot.make_plan()["actions"]) == 1
    done = bot.run("once", "--dry-run")
    assert last_line(done.stdout) == "would copy 1 image"


def test_a_plan_that_was_carried_out_is_unchanged_the_second_time(bot):
    bot.registry.put_image(APP, "new0", labels={"n": "newer"})
    bot.make_plan()
    assert last_line(bot.apply().stdout) == "copied 1 image"
    before = bot.journalled()
    assert last_line(bot.apply().stdout) == "changed nothing; 1 action unchanged"
    assert bot.journalled() == before
