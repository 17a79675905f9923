"""The command notify, and what other commands tell receivers."""

from __future__ import annotations

import json
import signal
from urllib.parse import urlsplit

import pytest
from support.applying import DELETE_OLD, bot_in
from support.command import regbot
from support.hanging import without_hanging
from support.receiving import Answer, receiving

from regbot.journal.opening import open_journal


def config_file(folder, *receivers, scripts=(), **more):
    path = folder / "bot.yml"
    scripts = scripts or [{"name": "nightly", "script": "log('it ran')", "interval": "1h"}]
    path.write_text(json.dumps({"scripts": scripts, "notify": receivers, **more}, indent=1))
    return str(path)


@pytest.fixture
def inbox():
    with receiving() as inbox:
        yield inbox


def test_notify_sends_a_test_to_each_receiver(tmp_path, inbox):
    path = config_file(
        tmp_path,
        {"webhook": f"{inbox.url}/hidden", "when": ["approval"], "scripts": ["nightly"]},
        {"ping": f"{inbox.url}/hidden-ping", "script": "nightly"},
        {"apprise": inbox.url.replace("http", "json") + "/hidden-apprise"},
    )
    done = regbot("notify", "-c", path, home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.replace(path, "bot.yml") for line in done.stdout.splitlines()]
    assert lines == [
        "webhook of bot.yml:11: it was reached",
        "ping of bot.yml:20: it was reached",
        "apprise of bot.yml:24: it was reached",
    ]
    paths = [request.path for request in inbox.rest()]
    assert paths == ["/hidden", "/hidden-ping/log", "/hidden-apprise"]


def test_notify_says_which_receiver_could_not_be_reached(tmp_path, inbox):
    with receiving(Answer(404)) as missing:
        path = config_file(
            tmp_path, {"webhook": f"{missing.url}/hidden"}, {"webhook": f"{inbox.url}/hidden"}
        )
        done = regbot("notify", "-c", path, home=tmp_path)
    assert done.returncode == 1
    assert [line.partition(": ")[2] for line in done.stdout.splitlines()] == [
        "it answered with status 404",
        "it was reached",
    ]
    assert "hidden" not in done.stdout + done.stderr


def test_notify_without_receivers_says_so(tmp_path):
    path = config_file(tmp_path)
    done = regbot("notify", "-c", path, home=tmp_path)
    assert done.returncode == 0
    assert done.stdout == f"{path}: nobody is notified (add receivers under notify)\n"


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path) as bot:
        bot.fill(old=2, new=1)
        yield bot


def told(bot, *receivers, script=DELETE_OLD, **more):
    """The script ``clean`` with receivers."""
    bot.configure(script, **more)
    path = bot.folder / "bot.yml"
    path.write_text(json.dumps({**json.loads(path.read_text()), "notify": receivers}))


def bodies(inbox):
    return [json.loads(request.body) for request in inbox.rest()]


def test_once_tells_what_it_changed_and_how_to_undo_it(bot, inbox):
    told(bot, {"webhook": inbox.url, "when": ["changes"]})
    done = bot.run("once")
    assert done.returncode == 0
    (sent,) = bodies(inbox)
    assert (sent["event"], sent["script"], sent["command"]) == ("changes", "clean", "once")
    assert sent["counts"] == {"done": 2}
    assert {change["reference"] for change in sent["changes"]} == {
        f"{bot.app}:old0",
        f"{bot.app}:old1",
    }
    assert sent["undo"] in done.stderr
    assert bot.run("undo", sent["run"]).returncode == 0


def test_once_remembers_a_failure_until_the_script_works_again(bot, inbox):
    for script in ("error('denied')", "error('denied')", "log('fine')", "log('fine')"):
        told(bot, {"webhook": inbox.url}, script=script)
        bot.run("once")
    assert [sent["event"] for sent in bodies(inbox)] == ["failure", "failure", "recovery"]


def test_apply_tells_what_it_changed(bot, inbox):
    told(bot, {"webhook": inbox.url, "when": ["always"]})
    bot.run("plan", "-o", "plan.json")
    assert bodies(inbox) == []
    assert bot.run("apply", "plan.json").returncode == 0
    (sent,) = bodies(inbox)
    assert (sent["event"], sent["script"], sent["command"]) == ("changes", "clean", "apply")


def test_a_dry_run_tells_nobody(bot, inbox):
    told(
        bot,
        {"webhook": inbox.url, "when": ["always"]},
        {"ping": inbox.url, "script": "clean"},
    )
    assert bot.run("once", "--dry-run").returncode == 0
    assert inbox.rest() == []


@pytest.fixture
def start(bot):
    """Starts a command, whose log is in the file ``stderr``."""
    begun = []

    def start(command):
        begun.append(bot.start_logged(command))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.wait()


def log_of(bot):
    return (bot.folder / "stderr").read_text()


@pytest.mark.parametrize("scheme", ["http", "json"])
def test_a_receiver_that_hangs_neither_fails_a_run_nor_holds_up_the_end(scheme, bot, inbox, start):
    inbox.gate.clear()
    way = "webhook" if scheme == "http" else "apprise"
    url = f"{inbox.url.replace('http', scheme)}/hidden"
    told(bot, {way: url, "when": ["always"]})
    with without_hanging(60):
        process = start("once")
        inbox.next()
        process.send_signal(signal.SIGTERM)
        assert process.wait() in (0, 130)  # the run may not have ended quite yet
    assert "1 notification was not sent before the end" in log_of(bot)
    assert "hidden" not in log_of(bot)


@pytest.mark.parametrize("level", ["trace", "info"])
def test_no_log_shows_urls_or_secrets(level, bot):
    with receiving(Answer(403)) as broken:
        host = broken.url.removeprefix("http://")
        told(
            bot,
            {"webhook": f"http://u:hidden1@{host}/hidden2?hidden3", "secret": "hidden4hidden4hi"},
            {"apprise": f"json://u:hidden5@{host}/hidden6?cto=5"},
            {"ping": f"http://{host}/hidden7", "script": "clean"},
            script="error('denied')",
        )
        done = bot.run("once", "-v", level)
    assert done.returncode == 1
    assert done.stderr.count("a notification was not sent: it answered with status 403") == 4
    assert "hidden" not in done.stdout + done.stderr


def test_server_tells_what_it_changed_and_pings(bot, start):
    with receiving() as hook, receiving() as ping:
        told(
            bot,
            {"webhook": hook.url, "when": ["changes"]},
            {"ping": f"{ping.url}/check", "script": "clean"},
            interval="1s",
        )
        process = start("server")
        sent = json.loads(hook.next().body)
        begin, end = ping.next(), ping.next()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert (sent["event"], sent["command"], sent["counts"]) == ("changes", "server", {"done": 2})
    with open_journal(bot.state) as journal:
        assert journal.run(sent["run"]).counts == {"done": 2}
    assert [urlsplit(request.path).path for request in (begin, end)] == ["/check/start", "/check"]
    assert urlsplit(begin.path).query == urlsplit(end.path).query
    assert end.body.startswith(b"deleted 2 tags in 1 repository")


def test_server_tells_of_a_plan_that_waits(bot, inbox, start):
    told(bot, {"webhook": inbox.url, "when": ["approval"]}, interval="1s", approve=True)
    start("server")
    sent = json.loads(inbox.next().body)
    assert (sent["event"], sent["script"]) == ("approval", "clean")
    assert "would delete 2 tags" in sent["summary"]
    assert len(sent["changes"]) == 2
    assert sent["plan"]["approve"].startswith(f"regbot approve {sent['plan']['id']}")


def test_a_server_tells_the_receivers_of_the_config_in_force(bot, start):
    with receiving() as before, receiving() as after:
        told(bot, {"webhook": before.url, "when": ["always"]}, script="log('fine')", interval="1s")
        process = start("server")
        before.next()
        told(bot, {"webhook": after.url, "when": ["always"]}, script="log('fine')", interval="1s")
        process.send_signal(signal.SIGHUP)
        assert json.loads(after.next().body)["event"] == "success"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
