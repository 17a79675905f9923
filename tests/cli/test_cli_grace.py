"""A server that is asked to stop ends in time, and knows what it has done until then."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest
from support.applying import APP, Bot, bot_in
from support.command import regbot
from support.registry import DISTRIBUTION_2, DISTRIBUTION_3

from regbot.journal.opening import open_journal

TWO = 'tag.delete(app .. ":old0") tag.delete(app .. ":old1")'
LONG = ("--grace", "100s")
"""What is under way has time to end, however slow this machine is."""


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=2, new=1)
        yield bot


class Held:
    """A request that the registry does not answer before it is told to."""

    def __init__(self, bot: Bot, method: str, path: str, **how: int) -> None:
        self._reached, self._go = threading.Event(), threading.Event()
        bot.registry.before(method, path, self._hold, **how)

    def _hold(self) -> None:
        self._reached.set()
        self._go.wait(100)

    def wait(self) -> None:
        assert self._reached.wait(60)

    def go(self) -> None:
        self._go.set()


def logged(bot: Bot) -> str:
    return (bot.folder / "stderr").read_text()


def stop(bot: Bot, running: subprocess.Popen[bytes]) -> None:
    """Ask a server to stop, and see that it knows."""
    running.send_signal(signal.SIGTERM)
    while "stopping, waiting for the scripts that run" not in logged(bot):
        assert running.poll() is None, logged(bot)


def script_runs(bot: Bot) -> dict[str, str]:
    """How the last run of each script ended."""
    with open_journal(bot.state) as journal:
        return {run.script: run.status for run in reversed(journal.script_runs.all())}


def statuses(bot: Bot) -> dict[str, str]:
    """What became of each action, by the name of its tag."""
    return {
        str(action.reference.tag): action.status
        for actions in bot.journalled().values()
        for action in actions
    }


def test_a_delete_under_way_is_finished_and_no_other_one_begins(bot):
    bot.configure(TWO, interval="1s")
    held = Held(bot, "DELETE", "/manifests/")
    with bot.server(*LONG) as running:
        held.wait()
        stop(bot, running)
        held.go()
        assert running.wait(60) == 0
    assert statuses(bot) == {"old0": "done"}
    assert script_runs(bot) == {"clean": "stopped"}
    assert bot.registry.tags(APP).keys() == {"old1", "new0"}


def test_a_tag_that_is_on_a_placeholder_gets_its_manifest_back(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_2) as bot:
        before = bot.fill(old=2, new=1)
        bot.configure(TWO, interval="1s")
        held = Held(bot, "PUT", "/manifests/old0")
        with bot.server(*LONG) as running:
            held.wait()
            stop(bot, running)
            held.go()
            assert running.wait(60) == 0
        assert statuses(bot) == {"old0": "stopped"}
        assert bot.registry.tags(APP) == before


def test_a_copy_under_way_is_finished(bot):
    bot.configure('image.copy(app .. ":new0", app .. "-two:new0") tag.ls(app)', interval="1s")
    held = Held(bot, "PUT", f"{APP}-two/manifests/new0")
    with bot.server(*LONG) as running:
        held.wait()
        stop(bot, running)
        held.go()
        assert running.wait(60) == 0
    assert statuses(bot) == {"new0": "done"}
    assert script_runs(bot) == {"clean": "stopped"}
    assert bot.registry.tags(f"{APP}-two").keys() == {"new0"}


def test_whatever_its_scripts_wait_for_a_server_ends(tmp_path):
    """Each of them would go on for longer than the test may take."""
    works = {
        "hangs": 'tag.delete(app .. ":old0")',
        "loops": 'log("loops is there") while true do end',
        "insists": 'log("insists is there") while true do pcall(tag.ls, app) end',
        "is slow": 'image.copy(app .. ":new0", app .. "-two:new0")',
        "is done": "return",
    }
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=1, new=1)
        scripts = {name: {"script": text, "interval": "1s"} for name, text in works.items()}
        bot.configure_all(scripts, timeout="10m", parallel=len(works))
        hanging = Held(bot, "DELETE", "/old0")
        slow = Held(bot, "PUT", f"{APP}-two/manifests/")
        with bot.server("--grace", "12s") as running:
            hanging.wait()
            slow.wait()
            while not ("loops is there" in logged(bot) and "insists is there" in logged(bot)):
                assert running.poll() is None
            stop(bot, running)
            assert running.wait(90) == 0, logged(bot)
        hanging.go()
        slow.go()
        ends = script_runs(bot)
        assert ends.pop("is done") == "done"
        assert ends == dict.fromkeys(("hangs", "loops", "insists", "is slow"), "stopped")
        assert statuses(bot) == {"old0": "stopped", "new0": "stopped"}
        assert "level=ERROR" not in logged(bot)


ENDLESS = """
import hashlib
from regbot.cli.ending import leave_in_time
from regbot.stopping import Stop
stop = Stop(grace=1.0)
leave_in_time(stop, lambda event: print(event.level, event.text, flush=True))
stop.ask()
hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""
"""Its main thread is away for many minutes, in code that hears of nothing."""


def test_what_nothing_ends_does_not_keep_a_server_from_its_end():
    ended = subprocess.run(
        [sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert ended.stdout == (
        "error not everything ended within 1s, so it is left undone (set a longer --grace)\n"
    )


@pytest.mark.parametrize(
    ("grace", "told"),
    [
        ("soon", "--grace 'soon' is not a duration such as 30s, 1h15m or 7d"),
        ("", "--grace '' is not a duration such as 30s, 1h15m or 7d"),
        ("0s", "--grace 0s: it has to be at least 1s"),
        ("-5s", "--grace -5s: it has to be at least 1s"),
    ],
)
def test_a_wrong_grace_is_told_in_one_line(tmp_path, grace, told):
    done = regbot("server", "--grace", grace, home=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{told}\n")
