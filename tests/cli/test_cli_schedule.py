"""schedule, and what a server makes of the journal: missed runs, and a second server."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from support.command import REGBOT, environment, log_until, regbot, servers

from regbot.journal.opening import open_journal
from regbot.journal.records import ScriptRun


def config_file(folder, *scripts, **defaults):
    path = folder / "bot.yml"
    defaults = {"state": "state", "timezone": "Europe/Paris", **defaults}
    scripts = [{"script": "log('it ran')", **script} for script in scripts]
    path.write_text(json.dumps({"defaults": defaults, "scripts": scripts}))
    return str(path)


def listed(folder, *arguments):
    done = regbot("schedule", *arguments, home=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return [line.split("\t") for line in done.stdout.splitlines()]


def note_run(folder, path, script, schedule, due):
    """What a server leaves of a run."""
    with open_journal(folder / "state") as journal:
        run = journal.script_runs.begin(ScriptRun("", script, "server", path, due, schedule, due))
        journal.script_runs.end(replace(run, ended=due + 1, status="done"))


@pytest.fixture
def start(tmp_path):
    with servers(tmp_path) as start:
        yield start


def test_the_next_runs_are_listed_in_order_and_in_their_zone(tmp_path):
    path = config_file(
        tmp_path,
        {"name": "nightly", "schedule": "30 2 * * *"},
        {"name": "hourly", "schedule": "CRON_TZ=Asia/Kolkata @hourly"},
        {"name": "off", "schedule": "@hourly", "enabled": False},
    )
    asked = datetime.now().astimezone()
    rows = listed(tmp_path, "-c", path, "--next", "30")
    begins = [datetime.fromisoformat(row[0]) for row in rows]
    assert len(rows) == 30
    assert begins == sorted(begins)
    assert begins[0] > asked
    nightly = [row for row in rows if row[2] == "nightly"]
    assert nightly
    assert all("T02:30:00+0" in row[0] and row[1] == "Europe/Paris" for row in nightly)
    assert {row[1] for row in rows if row[2] == "hourly"} == {"Asia/Kolkata"}
    assert not (tmp_path / "state").exists()


def test_a_jitter_is_listed_beside_the_time_that_a_run_is_due(tmp_path):
    script = {"name": "nightly", "schedule": "30 2 * * *", "jitter": "10m"}
    path = config_file(tmp_path, script, {"name": "b", "schedule": "0 3 * * *"})
    rows = listed(tmp_path, "-c", path, "--only", "nightly", "--next", "20")
    begins, due = ([datetime.fromisoformat(row[n]) for row in rows] for n in (0, 1))
    delays = [(begin - base).total_seconds() for begin, base in zip(begins, due, strict=True)]
    assert {row[3] for row in rows} == {"nightly"}
    assert all(0 <= delay <= 600 for delay in delays)
    assert len(set(delays)) > 5
    assert rows == listed(tmp_path, "-c", path, "--only", "nightly", "--next", "20")


def test_a_script_without_a_schedule_is_named(tmp_path):
    done = regbot("schedule", "-c", config_file(tmp_path, {"name": "a"}), home=tmp_path)
    assert done.returncode == 2
    assert "script 'a' has neither schedule nor interval" in done.stderr


def test_a_script_that_needs_approval_makes_a_plan(tmp_path):
    path = config_file(
        tmp_path,
        {"name": "a", "schedule": "@hourly", "approve": True, "approveWithin": "90m"},
    )
    (row,) = listed(tmp_path, "-c", path, "--next", "1")
    assert row[2:] == ["a", "makes a plan that waits 1h30m for approval"]


def test_a_missed_run_is_made_up_for_at_the_start(start, tmp_path):
    path = config_file(tmp_path, {"name": "a", "interval": "30m"})
    note_run(tmp_path, path, "a", "@every 1800.0", time.time() - 45 * 60)
    assert listed(tmp_path, "-c", path)[0][2:] == [
        "a", "missed, so it runs when the server starts",
    ]  # fmt: skip
    server = start(path)
    lines = "".join(log_until(server, "it ran"))
    assert 'msg="server started" scripts=1' in lines
    assert 'level=WARN msg="runs late: its time was missed" script=a' in lines
    server.send_signal(signal.SIGTERM)
    server.wait(60)
    with open_journal(tmp_path / "state") as journal:
        made_up, _ = journal.script_runs.all()
    assert (made_up.script, made_up.kind, made_up.config) == ("a", "server", path)
    assert made_up.status in ("done", "stopped")
    assert regbot("history", "-c", path, home=tmp_path).stdout.startswith("the journal is empty")
    shown = regbot("history", "--all", "-c", path, home=tmp_path).stdout.splitlines()
    first, second = (line.split("\t") for line in shown)
    assert (first[0], first[2], first[3]) == (made_up.id, "server", made_up.status)
    assert second[6] == "a: nothing to change"
    assert made_up.due is not None
    assert timedelta(minutes=14) < timedelta(seconds=made_up.started - made_up.due)
    (row, *_) = listed(tmp_path, "-c", path)
    assert row[3:] == [""]


def test_a_missed_run_can_be_left_out(start, tmp_path):
    path = config_file(tmp_path, {"name": "a", "interval": "30m", "misfire": "skip"})
    note_run(tmp_path, path, "a", "@every 1800.0", time.time() - 45 * 60)
    server = start(path)
    lines = "".join(log_until(server, "msg=scheduled"))
    assert 'level=WARN msg="skipped: its time was missed" script=a' in lines


def test_a_server_does_not_start_with_an_empty_token(tmp_path):
    path = tmp_path / "bot.yml"
    script = {"name": "a", "script": "log('it ran')", "schedule": "@hourly"}
    server = {"token": '{{env "NOT_SET"}}'}
    path.write_text(json.dumps({"server": server, "scripts": [script]}))
    done = regbot("server", "-c", str(path), home=tmp_path)
    assert done.returncode == 2
    assert "server.token is empty (is the variable or the file of its template" in done.stderr


def test_another_schedule_has_missed_nothing(start, tmp_path):
    path = config_file(tmp_path, {"name": "a", "interval": "20m"})
    note_run(tmp_path, path, "a", "@every 1800.0", time.time() - 45 * 60)
    server = start(path)
    lines = "".join(log_until(server, "msg=scheduled"))
    assert "missed" not in lines


def test_a_second_server_is_refused_until_the_first_is_gone_in_any_way(start, tmp_path):
    path = config_file(tmp_path, {"name": "a", "interval": "1h"})
    first = start(path)
    log_until(first, "msg=scheduled")
    second = regbot("server", "-c", path, home=tmp_path)
    assert second.returncode == 1
    assert re.fullmatch(
        r"another regbot server works with the folder \S+ already \(stop that one.*\)\n",
        second.stderr,
    )
    first.send_signal(signal.SIGKILL)
    first.wait(60)
    third = start(path)
    log_until(third, "msg=scheduled")


def test_a_dry_server_writes_nothing_and_runs_beside_another(tmp_path):
    path = config_file(tmp_path, {"name": "a", "interval": "1s"})
    dry = subprocess.Popen(
        [REGBOT, "server", "-c", path, "--dry-run"],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=environment(tmp_path),
        text=True,
    )
    try:
        log_until(dry, "script finished")
        assert not (tmp_path / "state").exists()
    finally:
        dry.kill()
        dry.communicate()


def test_a_killed_servers_run_is_interrupted_and_the_next_one_happens(start, tmp_path):
    endless = {"name": "a", "interval": "1s", "script": "log('on') while true do end"}
    path = config_file(tmp_path, endless)
    first = start(path)
    log_until(first, "msg=on")
    first.send_signal(signal.SIGKILL)
    first.wait(60)
    with open_journal(tmp_path / "state") as journal:
        (run,) = journal.script_runs.all()
        assert run.status == "interrupted"
    config_file(tmp_path, {"name": "a", "interval": "1s"})
    second = start(path)
    log_until(second, "it ran")


def test_a_server_that_cant_write_its_state_runs_all_the_same(start, tmp_path):
    (tmp_path / "state").write_text("this is a file")
    path = config_file(tmp_path, {"name": "a", "interval": "1s"})
    server = start(path)
    assert "runs are not recorded" in "".join(log_until(server, "it ran"))
