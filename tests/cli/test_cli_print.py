"""What scripts print goes to standard output, before any table and never into JSON."""

import errno
import json
import os
import subprocess
from pathlib import Path

import pytest
from support.applying import bot_in
from support.command import REGBOT, environment, regbot

SCRIPT = 'print("first", 1) tag.delete(app .. ":old0") print("second\\255")'


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path) as bot:
        bot.fill(old=1, new=1)
        bot.configure(SCRIPT)
        yield bot


def run_raw(bot, *arguments, **streams):
    return subprocess.run(
        [REGBOT, *arguments, "-c", "bot.yml"],
        cwd=bot.folder,
        env=environment(bot.folder),
        stdin=subprocess.DEVNULL,
        **streams,
    )


def test_lines_are_printed_byte_for_byte_before_the_table(bot):
    done = run_raw(bot, "once", "--dry-run", capture_output=True)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[:2] == [b"first\t1", b"second\xff"]
    assert lines[-1] == b"would delete 1 tag in 1 repository"
    assert b"first" not in done.stderr


def test_a_plan_on_standard_output_is_json_all_the_same(bot):
    done = run_raw(bot, "plan", "-o", "-", capture_output=True)
    assert done.returncode == 0
    assert len(json.loads(done.stdout)["actions"]) == 1
    assert b"first\t1\n" in done.stderr
    done = run_raw(bot, "plan", "-o", "plan.json", capture_output=True)
    assert done.stdout.startswith(b"first\t1\n")


def test_a_result_as_json_is_json_all_the_same(tmp_path):
    done = regbot("run", "--json", "-e", "print('hello') return 7", home=tmp_path)
    assert done.stdout == "7\n"
    assert "hello\n" in done.stderr


def test_several_scripts_do_not_mix_within_a_line(tmp_path):
    script = 'for n = 1, 200 do print(("x"):rep(100)) end'
    entries = [{"name": f"s{number}", "script": script} for number in range(3)]
    (tmp_path / "bot.yml").write_text(json.dumps({"defaults": {"parallel": 3}, "scripts": entries}))
    done = regbot("once", "-c", "bot.yml", home=tmp_path, cwd=tmp_path)
    assert done.returncode == 0
    assert set(done.stdout.splitlines()) == {"x" * 100}
    assert len(done.stdout.splitlines()) == 600


def test_lines_that_can_not_be_written_are_said_and_stop_no_delete(bot):
    with Path("/dev/full").open("wb") as full:
        done = run_raw(bot, "once", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert f"can't write the result: {os.strerror(errno.ENOSPC)}".encode() in done.stderr
    assert "old0" not in bot.registry.tags("team/app")


def test_without_a_standard_output_nothing_breaks(bot):
    done = subprocess.run(
        ["sh", "-c", f"exec '{REGBOT}' once -c bot.yml >&-"],
        cwd=bot.folder,
        env=environment(bot.folder),
        stderr=subprocess.PIPE,
    )
    assert done.returncode == 0, done.stderr
