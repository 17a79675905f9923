"""A stop is no failure: what it cuts off is 'stopped', in the log, the report and the history."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading

import pytest
from support.applying import APP, DELETE_OLD, bot_in
from support.command import REGBOT, environment
from support.registry import DISTRIBUTION_3


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=3, new=2)
        yield bot


def held(bot, method, path):
    """Hold the registry's next answer; an event that says it is held, and one that lets it go."""
    reached, go = threading.Event(), threading.Event()

    def hold():
        reached.set()
        go.wait(60)

    bot.registry.before(method, path, hold)
    return reached, go


def run_of(bot):
    (line,) = bot.run("history").stdout.splitlines()
    return line


@pytest.mark.parametrize("command", ["once", "apply"])
def test_what_a_signal_cuts_off_is_stopped(bot, command):
    bot.configure(timeout="60s")
    bot.make_plan()
    reached, go = held(bot, "DELETE", "/old1")
    arguments = ["plan.json"] if command == "apply" else []
    running = bot.start_logged(command, *arguments, "--report", "out.json")
    assert reached.wait(60)
    running.send_signal(signal.SIGTERM)
    code, err = running.wait(60), (bot.folder / "stderr").read_text()
    go.set()
    assert code == 130
    assert 'msg="delete tag: stopped"' in err
    assert "failed" not in err
    rows = json.loads((bot.folder / "out.json").read_text())["rows"]
    assert {row["status"] for row in rows if row["reference"].endswith(":old1")} == {"stopped"}
    statuses = {
        action.tags: action.status for actions in bot.journalled().values() for action in actions
    }
    assert statuses[("old1",)] == "stopped"
    assert "\tstopped\t" in run_of(bot)


def test_what_a_timeout_cuts_off_is_stopped(bot):
    bot.configure(DELETE_OLD, timeout="2s")
    reached, go = held(bot, "DELETE", "/old1")
    done = bot.run("once", "--report", "out.json")
    go.set()
    assert reached.is_set()
    assert done.returncode == 1
    assert 'msg="delete tag: stopped"' in done.stderr
    assert 'msg="script failed"' in done.stderr
    rows = json.loads((bot.folder / "out.json").read_text())["rows"]
    assert [row["status"] for row in rows] == ["done", "stopped"]
    assert "\tfailed\t" in run_of(bot)


def test_a_once_with_a_failed_script_is_failed_in_the_history(bot):
    bot.configure('tag.delete(app .. ":old0") error("no luck")')
    assert bot.run("once").returncode == 1
    assert "\tfailed\t" in run_of(bot)
    assert bot.registry.tags(APP).keys() == {"new0", "new1", "old1", "old2"}


AWAY = """
import hashlib, os
from regbot.cli.signals import ask_on_signals
ask_on_signals(lambda: os._exit(7))
print("ready", flush=True)
hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""
"""Its main thread is away for many minutes, in code that hears of no signal."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_heard_while_the_main_thread_is_away(number):
    with subprocess.Popen(
        [sys.executable, "-c", AWAY], stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            assert running.stdout.readline() == "ready\n"
            running.send_signal(number)
            assert running.wait(60) == 7
        finally:
            running.kill()


ON_A_TERMINAL = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes standard input the terminal of the command that follows."""


@pytest.mark.parametrize("command", ["once", "apply", "undo"])
def test_a_lost_terminal_ends_a_run_in_order(bot, command):
    bot.configure(timeout="60s")
    bot.make_plan()
    arguments = ["plan.json"] if command == "apply" else []
    if command == "undo":
        assert bot.run("once").returncode == 0
        arguments = list(bot.journalled())
    method = "PUT" if command == "undo" else "DELETE"
    reached, go = held(bot, method, "/old1")
    ours, theirs = pty.openpty()
    words = [REGBOT, command, *arguments, "-c", "bot.yml"]
    with subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, *words],
        env=environment(bot.folder),
        cwd=bot.folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as running:
        os.close(theirs)
        assert reached.wait(60)
        os.close(ours)
        assert running.wait(60) == 130
    go.set()
    newest = bot.run("history").stdout.splitlines()[0]
    assert f"\t{command}\t" in newest
    assert "\tstopped\t" in newest


def test_nohup_keeps_a_run_going(bot):
    bot.configure()
    reached, go = held(bot, "DELETE", "/old1")
    command = ["nohup", REGBOT, "once", "-c", "bot.yml"]
    with subprocess.Popen(
        command,
        env=environment(bot.folder),
        cwd=bot.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        assert reached.wait(60)
        running.send_signal(signal.SIGHUP)
        go.set()
        assert running.wait(60) == 0
    assert set(bot.registry.tags(APP)) == {"new0", "new1"}
