"""Each line of the log says of which run and script it is, whatever it is about."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from support.applying import APP, DELETE_OLD, Bot, bot_in
from support.paper import in_terminal

ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")
LOOK = 'tag.ls(app) image.config(app .. ":new0")'


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path) as bot:
        bot.fill(old=2, new=1)
        yield bot


def lines(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]


def logged(bot: Bot, command: str, *arguments: str) -> list[dict[str, Any]]:
    """All that a command logs."""
    done = bot.run(command, *arguments, "-v", "trace", "--logopt", "json")
    assert done.returncode == 0, done.stderr
    return lines(done.stderr)


def of_run(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines from the start of the run to its end."""
    texts = [line["msg"] for line in log]
    last = max(texts.index(text) for text in ("kept in the history", "run ended") if text in texts)
    return log[texts.index("run started") : last + 1]


def test_every_line_of_a_run_has_its_id_and_script(bot):
    bot.configure_all({"look": {"script": LOOK}, "clean": {"script": DELETE_OLD}}, parallel=2)
    whole = logged(bot, "once")
    log = of_run(whole)
    (run,) = {line["run"] for line in log}
    assert list(bot.journalled()) == [run]
    assert whole[-1]["msg"].endswith(f"regbot undo {run} -c {bot.folder}/bot.yml")
    assert whole[-1]["run"] == run
    assert {line["msg"] for line in log if "script" not in line} == {
        "run started",
        "kept in the history",
    }
    requests = [line for line in log if line["msg"] == "exchanged"]
    assert {line["script"] for line in requests if line["method"] == "DELETE"} == {"clean"}
    assert {line["script"] for line in requests if "/blobs/" in line["url"]} == {"look"}


def test_a_run_of_one_script_names_it_in_every_line(bot):
    bot.configure()
    assert {line["script"] for line in of_run(logged(bot, "once"))} == {"clean"}


def test_a_run_that_changes_nothing_has_an_id_and_leaves_no_trace(bot):
    bot.configure(LOOK)
    for arguments in ([], ["--dry-run"]):
        (run,) = {line["run"] for line in of_run(logged(bot, "once", *arguments))}
        assert ID.fullmatch(run)
    assert not bot.state.exists()


def test_the_guard_of_a_dry_run_asks_for_the_script_it_judges(bot):
    """What one script has planned is seen by the next one, and its requests are the next's."""
    guard = {"keepAtLeast": 1}
    scripts = {name: {"script": DELETE_OLD, "guard": guard} for name in ("first", "second")}
    bot.configure_all(scripts)
    requests = [
        line for line in of_run(logged(bot, "once", "--dry-run")) if line["msg"] == "exchanged"
    ]
    assert requests
    assert {line.get("script") for line in requests} == {"first", "second"}


def test_apply_and_undo_have_an_id_too(bot):
    bot.configure()
    bot.make_plan()
    applied = of_run(logged(bot, "apply", "plan.json"))
    (run,) = {line["run"] for line in applied}
    assert list(bot.journalled()) == [run]
    assert {line["script"] for line in applied} == {"clean"}
    undone = [line for line in logged(bot, "undo", run) if "run" in line]
    assert {"exchanged", "undo: restored"} <= {line["msg"] for line in undone}
    (undo,) = {line["run"] for line in undone}
    assert list(bot.journalled()) == [undo, run]


def test_a_script_can_not_speak_for_another_one(bot):
    bot.configure('log("it was me", {script = "other", run = "20200101-000000-0000"})')
    log = of_run(logged(bot, "once"))
    (said,) = [line for line in log if line["msg"] == "it was me"]
    assert said["script"] == "clean"
    assert {line["run"] for line in log} == {said["run"]}


def test_each_run_of_a_server_has_its_own(bot):
    bot.configure_all({name: {"script": LOOK, "interval": "1s"} for name in ("a", "b")}, parallel=2)
    with bot.server("-v", "trace", "--logopt", "json") as running:
        while (bot.folder / "stderr").read_text().count('"run ended"') < 4:
            assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
    log = lines((bot.folder / "stderr").read_text())
    scripts = {line["run"]: line["script"] for line in log if "run" in line}
    assert len(scripts) >= 4
    assert all(line["script"] == scripts[line["run"]] for line in log if "run" in line)
    assert not [line for line in log if line["msg"] == "exchanged" and "run" not in line]
    listed = bot.run("history", "--all").stdout
    assert set(ID.findall(listed)) == set(scripts)


def test_a_line_on_a_terminal_names_its_run_only_where_there_are_many(bot):
    bot.configure(LOOK, interval="1s")
    shown = {}
    for command in ("once", "server"):
        with in_terminal(
            command, "-c", "bot.yml", "-v", "trace", home=bot.folder, width=400
        ) as running:
            running.wait_for("run ended")
            running.process.send_signal(signal.SIGTERM)
            shown[command] = running.end()
    assert "TRACE clean: exchanged" in shown["once"]
    assert "run=" not in shown["once"]
    assert re.search(rf"TRACE clean: exchanged .* run={ID.pattern}", shown["server"])


def test_the_log_of_a_library_is_plain(tmp_path: Path) -> None:
    """Who uses the library has one run, and asks the client for its id."""
    from regbot import Client
    from regbot.events import Exchanged, InRun, RunStarted

    heard: list[object] = []
    with bot_in(tmp_path) as bot:
        bot.fill(old=1, new=1)
        bot.configure()
        with Client(config=bot.folder / "bot.yml", emit=heard.append) as client:
            client.tags(f"{bot.app}")
    assert {RunStarted, Exchanged} <= {type(event) for event in heard}
    assert InRun not in {type(event) for event in heard}
    assert APP in bot.app
