"""Plans that are kept under an id: plan, show and apply."""

import json
import sqlite3
import time

import pytest
from support.applying import APP, DELETE_OLD, bot_in
from support.command import regbot
from support.images import make_image
from support.registry import DISTRIBUTION_3
from support.terminals import terminal

from regbot.journal.opening import open_journal
from regbot.plan.planfile import read_plan
from regbot.report.planned import plan_rows
from regbot.report.terminal import print_table


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=3, new=2)
        bot.configure()
        yield bot


def made(bot, *arguments):
    """The id of a plan, and what the command printed."""
    done = bot.run("plan", *arguments)
    assert done.returncode == 0, done.stderr
    return kept(bot)[0], done.stdout


def kept(bot):
    """The ids of the plans that are kept, the newest first."""
    return [line.split("\t")[0] for line in bot.run("show").stdout.splitlines() if "\t" in line]


def cells(text):
    return [line.split("\t") for line in text.splitlines() if "\t" in line]


def test_a_plan_is_shown_kept_and_applied_by_its_id(bot):
    plan, shown = made(bot)
    assert [row[3] for row in cells(shown)] == [f"{bot.app}:old{number}" for number in range(3)]
    assert f"apply with: regbot apply {plan}" in shown.splitlines()[-1]
    assert bot.wrote() == []
    done = bot.run("apply", plan[:-2])
    assert done.returncode == 0, done.stderr
    assert set(bot.registry.tags(APP)) == {"new0", "new1"}


def test_only_the_folder_for_state_is_written(bot):
    before = {path.name for path in bot.folder.iterdir()}
    made(bot)
    assert {path.name for path in bot.folder.iterdir()} == {*before, "state", ".cache"}
    assert bot.wrote() == []
    assert bot.journalled() == {}


def test_show_shows_the_same_table_again(bot):
    plan, shown = made(bot)
    again = bot.run("show", plan).stdout
    assert again.splitlines()[:-1] == shown.splitlines()[:-1]
    assert "would delete 3 tags in 1 repository" in again.splitlines()[-1]
    bot.make_plan()
    from_file = bot.run("show", "plan.json").stdout
    assert cells(from_file) == cells(shown)
    assert "regbot apply plan.json" in from_file.splitlines()[-1]


def test_what_stays_is_shown_with_the_reason(bot):
    bot.configure(guard={"protect": ["new1"]})
    plan, shown = made(bot)
    assert "new0" not in shown
    assert f"what stays: regbot show {plan} --kept" in shown.splitlines()[-1]
    rows = cells(bot.run("show", plan, "--kept").stdout)
    assert [row[2:4] + row[5:] for row in rows if row[2] == "kept"] == [
        ["kept", f"{bot.app}:new0", "the script does not delete it"],
        ["kept", f"{bot.app}:new1", "protected by new1"],
    ]


def test_what_rules_keep_is_shown_with_their_reason(bot):
    config = json.loads((bot.folder / "bot.yml").read_text())
    rules = {"keep": [{"tags": ["new*"]}]}
    config["scripts"] = [{"name": "tidy", "repositories": [bot.app], "retention": rules}]
    (bot.folder / "bot.yml").write_text(json.dumps(config))
    plan, _ = made(bot)
    rows = cells(bot.run("show", plan, "--kept").stdout)
    reasons = {row[3].rpartition(":")[2]: row[5] for row in rows if row[2] == "kept"}
    assert reasons == dict.fromkeys(("new0", "new1"), "kept by rule 1: tags new*")


def test_what_is_in_use_is_skipped_in_the_plan_and_when_it_is_shown_again(bot):
    (bot.folder / "used.txt").write_text(f"{bot.app}:old1\n")
    in_use = {"inUse": {"file": "used.txt"}}
    bot.configure_all({"clean": {"script": DELETE_OLD}}, **in_use)
    plan, shown = made(bot)
    (skipped,) = [row for row in cells(shown) if row[2] == "skipped"]
    assert skipped[3] == f"{bot.app}:old1"
    assert skipped[5].startswith("in use by ")
    assert cells(bot.run("show", plan).stdout) == cells(shown)


def test_what_an_action_takes_along_is_listed(bot, monkeypatch):
    hexadecimal = bot.registry.tags(APP)["old0"].removeprefix("sha256:")
    signature = f"sha256-{hexadecimal}.sig"
    bot.registry.put(APP, signature, make_image(labels={"signature": "of old0"}))
    bot.configure(
        'image.copy(app .. ":old0", app .. "-copy:x", {digestTags = true})'
        ' image.delete(app .. ":old0", {referrers = true})'
    )
    plan = bot.make_plan()
    assert plan["actions"][0]["carried"] == [{"name": signature, "part": "signature"}]
    parts = [(entry["action"], entry["part"]) for entry in plan["actions"][1:]]
    assert parts == [
        ("delete tag", ""),
        ("delete tag", "signature"),
        ("delete manifest", "manifest"),
        ("delete manifest", "signature"),
    ]
    copied = cells(bot.run("show", "plan.json").stdout)[0]
    assert copied[5] == f"from {bot.app}:old0; with signature {signature}"
    content = read_plan(str(bot.plan_file), work_dir=bot.folder)
    screen = terminal(monkeypatch, 80)
    print_table(plan_rows(content, 0.0), "the end", screen)
    shown = [line.strip() for line in screen.getvalue().splitlines()]
    name = f"sha256-{hexadecimal[:12]}...sig"
    assert shown.count(f"with signature {name}") == 2
    assert len([line for line in shown if line.startswith("with ")]) == 4


def test_a_plan_with_nothing_to_do_is_kept_and_harmless(bot):
    bot.configure("tag.ls(app)")
    plan, shown = made(bot)
    assert shown == "would change nothing\n"
    assert bot.run("show", plan).stdout == "would change nothing\n"
    assert bot.run("apply", plan).returncode == 0


def test_a_script_that_failed_is_told_again(bot):
    bot.configure_all(
        {
            "good": {"script": 'tag.delete(app .. ":old0")'},
            "bad": {"script": 'tag.delete(app .. ":old1") error("stop here")'},
        }
    )
    done = bot.run("plan")
    assert done.returncode == 1
    (plan,) = kept(bot)
    again = bot.run("show", plan)
    assert again.returncode == 0
    assert "script bad failed: " in again.stdout
    assert "stop here" in again.stdout
    assert "1 of 2 scripts failed: bad" in again.stdout.splitlines()[-1]
    done = bot.run("apply", plan)
    assert done.returncode == 0
    assert "warning: the plan lacks the actions of bad, which failed" in done.stderr
    assert "old1" in bot.registry.tags(APP)


@pytest.mark.parametrize("command", ["show", "apply"])
def test_an_id_that_is_not_there_is_one_line(bot, command):
    for name in ("20200101", "", "nosuch"):
        done = bot.run(command, name)
        assert done.returncode == 1
        assert "; regbot show lists all" in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["show", "apply"])
def test_the_beginning_of_two_ids_names_none(bot, command):
    first, second = made(bot)[0], made(bot)[0]
    done = bot.run(command, "20")
    assert done.returncode == 1
    assert first in done.stderr
    assert second in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert bot.wrote() == []


@pytest.mark.parametrize("name", ["nosuch.json", "./nosuch", "folder/"])
@pytest.mark.parametrize("command", ["show", "apply"])
def test_a_file_that_is_not_there_is_wrong_usage(bot, command, name):
    done = bot.run(command, name)
    assert done.returncode == 2
    assert f"{name}: can't read the plan: " in done.stderr


def test_a_file_of_that_name_is_meant_before_an_id(bot):
    plan, _ = made(bot)
    (bot.folder / plan).write_text("no plan")
    assert "not a plan" in bot.run("show", plan).stderr


def age(bot, seconds):
    """Make the plans that are kept older."""
    with sqlite3.connect(bot.state / "history.sqlite") as database:
        database.execute("UPDATE plan SET made = made - ?", (seconds,))


@pytest.mark.parametrize("command", ["show", "apply"])
def test_a_plan_goes_with_the_journal(bot, command):
    plan, _ = made(bot)
    age(bot, 31 * 86400)
    done = bot.run(command, plan)
    assert done.returncode == 1
    assert f"the plan {plan} is too old" in done.stderr
    assert kept(bot) == []
    newer, _ = made(bot)
    with open_journal(bot.state) as journal:
        assert [record.id for record in journal.plans()] == [newer]


def test_a_plan_goes_when_the_journal_is_cleared(bot):
    made(bot)
    with open_journal(bot.state, clock=lambda: time.time() + 31 * 86400) as journal:
        journal.forget("/other.yml", 5)
        assert journal.plans() == []


def test_another_config_is_warned_of(bot):
    plan, _ = made(bot)
    bot.configure(DELETE_OLD + "-- changed")
    done = bot.run("apply", plan)
    assert done.returncode == 0
    assert "warning: the config or its scripts changed since the plan was made" in done.stderr


def test_without_a_config_the_one_of_the_plan_is_used(bot, tmp_path):
    config = json.loads((bot.folder / "bot.yml").read_text())
    del config["defaults"]["state"]
    (bot.folder / "bot.yml").write_text(json.dumps(config))
    plan, shown = made(bot)
    assert " -c " not in shown.splitlines()[-1]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = regbot("apply", plan, home=bot.folder, cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    assert set(bot.registry.tags(APP)) == {"new0", "new1"}


@pytest.mark.parametrize("state", ["/proc/nope", "a-file", "a-file/below"])
def test_where_it_can_not_be_kept_it_is_shown_all_the_same(bot, state):
    (bot.folder / "a-file").write_text("in the way")
    bot.configure_all({"clean": {"script": DELETE_OLD}}, state=state)
    done = bot.run("plan")
    assert done.returncode == 1
    assert [row[3] for row in cells(done.stdout)] == [f"{bot.app}:old{n}" for n in range(3)]
    assert "apply with" not in done.stdout
    last = done.stderr.splitlines()[-1]
    assert "the plan is not kept: " in last
    assert "write it to a file: regbot plan -o plan.json" in last


@pytest.mark.parametrize(
    "damage", ["content = x'00'", "content = 'text'", "made = 'today'", "config = x'ff'"]
)
def test_a_damaged_plan_is_one_line(bot, damage):
    plan, _ = made(bot)
    with sqlite3.connect(bot.state / "history.sqlite") as database:
        database.execute(f"UPDATE plan SET {damage}")
    commands = [("show", plan), ("apply", plan), *([] if "content" in damage else [("show",)])]
    for command in commands:
        done = bot.run(*command)
        assert done.returncode == 1
        assert "is damaged" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_plan_has_nothing_that_a_terminal_obeys(bot):
    script = {"script": "e\x1b[31mvil\n\u202e", "status": "failed", "error": "", "seconds": 1}
    plan = {"schema": 3, "made": "", "made_seconds": 1, "config": "", "actions": []}
    bot.plan_file.write_text(json.dumps({**plan, "scripts": [script]}))
    done = bot.run("apply", "plan.json")
    assert done.returncode == 0
    assert "the plan lacks the actions of e\\x1b[31mvil\\n\\u202e, which failed" in done.stderr


def test_an_id_that_is_too_long_for_a_file_is_not_there(bot):
    done = bot.run("show", "a" * 300)
    assert done.returncode == 1
    assert done.stderr.startswith("there is no plan 'aaa")
    assert len(done.stderr.splitlines()) == 1


def test_without_plans_that_is_said(bot):
    done = bot.run("show")
    assert done.returncode == 0
    assert done.stdout == "no plan is kept: regbot plan makes one\n"
    assert not bot.state.exists()
