"""The last lines of a run: what it did, the way back, and what it left behind."""

import json
import re
import shlex
import time

import pytest
from support.applying import APP, bot_in
from support.command import last_line, regbot
from support.registry import DISTRIBUTION_2, DISTRIBUTION_3


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=2, new=1)
        bot.configure()
        yield bot


@pytest.mark.parametrize("command", ["once", "apply"])
def test_a_run_that_deleted_ends_with_the_command_that_undoes_it(bot, command):
    before = bot.registry.tags(APP)
    if command == "apply":
        bot.make_plan()
    done = bot.run(command, *(["plan.json"] if command == "apply" else []))
    assert done.returncode == 0, done.stderr
    last = (done.stdout if command == "apply" else done.stderr).splitlines()[-1]
    what, way = last.split("; ")
    assert re.fullmatch(r"deleted 2 tags in 1 repository in [0-9.]+s", what)
    words, (program, *arguments) = way.partition(": ")[0], shlex.split(way.partition(": ")[2])
    assert (words, program) == ("undo with", "regbot")
    assert set(bot.registry.tags(APP)) == {"new0"}
    assert regbot(*arguments, home=bot.folder, cwd="/").returncode == 0
    assert bot.registry.tags(APP) == before


def test_a_run_that_deleted_nothing_does_not_offer_to_undo_it(bot):
    bot.configure('image.copy(app .. ":new0", app .. ":copy") tag.ls(app)')
    assert "undo with" not in bot.run("once").stderr
    bot.configure()
    assert "undo with" not in bot.run("once", "--dry-run").stderr


def test_the_lines_are_json_where_the_log_is(bot):
    lines = [json.loads(line) for line in bot.run("once", "--logopt", "json").stderr.splitlines()]
    assert lines[-1]["msg"].startswith("deleted 2 tags in 1 repository in ")
    assert "; undo with: regbot undo " in lines[-1]["msg"]


def test_a_table_takes_no_summary_from_the_log_that_is_json(bot):
    done = bot.run("once", "--dry-run", "--logopt", "json")
    assert json.loads(done.stderr.splitlines()[-1])["msg"] == done.stdout.splitlines()[-1]


def test_the_summary_is_told_where_log_lines_are_not(bot):
    assert last_line(bot.run("once", "-v", "warn").stderr) == "deleted 2 tags in 1 repository"
    assert bot.run("once", "-v", "error").stderr == ""
    bot.configure("error('no')")
    done = bot.run("once", "-v", "error")
    assert last_line(done.stderr) == "changed nothing; script clean failed"


def break_the_way_back(bot):
    """The tag ``old0`` gets stuck on a placeholder."""
    refused = {"status": 403, "code": "DENIED", "times": 100}
    bot.registry.break_next("status", "DELETE", "/manifests/sha256:", after=1, **refused)
    bot.registry.break_next("status", "PUT", "/manifests/old0", after=1, **refused)


@pytest.mark.parametrize("command", ["once", "apply", "run", "server"])
def test_what_was_left_behind_is_the_last_line_with_the_way_back(tmp_path, command):
    with bot_in(tmp_path, DISTRIBUTION_2) as bot:
        before = bot.fill(old=1, new=1)
        bot.configure(interval="1s")
        if command == "apply":
            bot.make_plan()
        break_the_way_back(bot)
        if command == "server":
            running = bot.start_logged("server")
            try:
                last = wait_for_line(bot.folder / "stderr", "back on it with: ")
            finally:
                running.terminate()
                assert running.wait(60) == 0
        else:
            text = f'tag.delete("{bot.app}:old0")'
            arguments = {"apply": ["plan.json"], "run": ["-e", text]}.get(command, [])
            done = bot.run(command, *arguments)
            assert done.returncode == 1
            last = done.stderr.splitlines()[-1]
        assert last.startswith(f"{bot.app}:old0 is left on a placeholder")
        assert before["old0"] in last
        assert bot.registry.tags(APP)["old0"] != before["old0"]
        program, *arguments = shlex.split(re.split(r" with: ", last)[1])
        bot.registry.faults.clear()
        assert program == "regbot"
        assert regbot(*arguments, home=bot.folder, cwd="/").returncode == 0
        assert bot.registry.tags(APP) == before


def wait_for_line(path, words, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = [line for line in path.read_text().splitlines() if words in line]
        if found:
            return found[0]
        time.sleep(0.05)
    raise AssertionError(path.read_text())
