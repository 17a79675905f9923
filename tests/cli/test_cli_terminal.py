"""Commands in a terminal: what is shown while they run, and what is left when they end."""

import re
import signal

import pytest
from support.applying import APP, DELETE_OLD, bot_in
from support.command import last_line
from support.paper import in_terminal
from support.registry import DISTRIBUTION_3

WAIT = 'while not manifest.exists(app .. ":go") do end'
"""Goes on when there is a tag ``go``."""


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=3, new=2)
        bot.configure(f"for _, t in ipairs(tag.ls(app)) do log(t) end {WAIT} {DELETE_OLD}")
        yield bot


def go(bot):
    bot.registry.put_image(APP, "go")


def plain(text, bot):
    """A text without what is different each time."""
    text = text.replace(bot.registry.host, "HOST").replace(str(bot.folder), "FOLDER")
    text = re.sub(r"\d\d:\d\d:\d\d ", "TIME ", text)
    text = re.sub(r"\d{8}-\d{6}-[0-9a-f]+", "RUN", text)
    return re.sub(r" in [0-9.]+s", " in 1s", text)


def test_what_a_run_does_is_shown_until_its_end(bot, snapshot):
    with in_terminal("once", "-c", "bot.yml", home=bot.folder, width=200) as running:
        running.wait_for(rf"clean  {bot.app}\ntags: 5 listed; \d+ requests/s; \d+s so far")
        go(bot)
        assert plain(running.end(), bot) == snapshot
    assert running.process.returncode == 0


def test_apply_shows_its_bar_from_the_start_with_the_item_at_hand(bot):
    bot.configure()
    bot.make_plan()
    bot.registry.break_next("stall", "HEAD", f"/v2/{APP}/manifests/old", times=9)
    with in_terminal("apply", "plan.json", "-c", "bot.yml", home=bot.folder) as running:
        running.wait_for(rf"apply  ─+  0 of 3 actions\n  delete tag {bot.app}:old\d\n")
        running.process.send_signal(signal.SIGINT)
        running.end()
    assert running.process.returncode == 130


def test_apply_tells_each_delete_once_in_its_table_and_what_fails_at_once(bot):
    bot.configure()
    bot.make_plan()
    bot.registry.break_next("status", path="/manifests/old0", status=403, times=99)
    with in_terminal("apply", "plan.json", "-c", "bot.yml", home=bot.folder, width=200) as running:
        text = running.end()
    assert [text.count(f"old{number}") for number in (1, 2)] == [1, 1]
    assert re.search(r"ERROR clean: delete tag: failed \S+:old0", text)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_of_it_after_a_signal(bot, number):
    with in_terminal("once", "-c", "bot.yml", home=bot.folder, width=200) as running:
        running.wait_for("requests/s")
        running.process.send_signal(number)
        text = running.end()
    assert running.process.returncode == 130
    assert "requests/s" not in text
    assert last_line(text.rstrip()) == "changed nothing; script clean stopped"


def test_what_is_printed_and_logged_meanwhile_is_whole(bot):
    script = "for n = 1, 300 do print('printed ' .. n) log('logged ' .. n) end"
    bot.configure(f"tag.ls(app) {script} {WAIT} {script}")
    with in_terminal("once", "-c", "bot.yml", home=bot.folder) as running:
        running.wait_for("requests/s")
        go(bot)
        rows = running.end().splitlines()
    expected = [f"{how} {n}" for n in range(1, 301) for how in ("printed", "logged")] * 2
    shown = [re.sub(r"^\d\d:\d\d:\d\d clean: ", "", row) for row in rows]
    assert shown[:-1] == expected


def test_it_fits_a_terminal_that_became_narrower(bot):
    with in_terminal("once", "-c", "bot.yml", home=bot.folder, width=120) as running:
        running.wait_for("requests/s")
        running.resize(30)
        running.wait_for(r"\ntags: 5 listed; .{1,13}…\n")
        go(bot)
        assert "…" not in running.end()


def test_what_a_guard_lets_pass_is_told_once(bot):
    bot.configure(guard={"maxDeletes": 3})
    with in_terminal("once", "-c", "bot.yml", home=bot.folder, width=200) as running:
        text = running.end()
    assert text.count("delete tag") == 3
    assert bot.registry.tags(APP).keys() == {"new0", "new1"}


SLOW = "tag.ls(app) local t = time.now() while time.now() < t + 1.5 do end"


@pytest.mark.parametrize("how", ["a plain terminal", "a JSON log", "a file"])
def test_nothing_is_drawn_where_it_can_not_be_or_is_not_wanted(bot, how):
    bot.configure(SLOW)
    options = ["--logopt", "json"] if how == "a JSON log" else []
    variables = {"TERM": "dumb"} if how == "a plain terminal" else {}
    with (bot.folder / "log").open("wb") as file:
        log = file.fileno() if how == "a file" else None
        with in_terminal(
            "once", "-c", "bot.yml", *options, home=bot.folder, variables=variables, stderr=log
        ) as running:
            running.end()
    assert running.process.returncode == 0
    assert not any("requests/s" in text for text in running.shown)


def test_the_log_of_a_pipe_is_as_it_was(bot):
    bot.configure()
    done = bot.run("once")
    assert [re.search(r'msg=("[^"]*"|\S+)', line)[1] for line in done.stderr.splitlines()[:-1]] == [
        '"script started"',
        *['"delete tag"'] * 3,
        '"script finished"',
        '"kept in the history"',
    ]
