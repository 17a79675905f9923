"""Servers with one database share the work of a run, and go on with it when one is gone."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import closing

import pytest
from support.clusterbot import cluster_bot
from support.clusterworker import opened, until
from support.command import regbot
from support.quickserver import quick_servers

from regbot.journal.opening import open_journal

NAMES = tuple(f"team/app{number}" for number in range(6))
SCRIPT = """
for _, name in ipairs(tag.ls(args.repo)) do
  if name:match("^old") then tag.delete(args.repo .. ":" .. name, {reason = "it is old"}) end
end
"""
_FOLLOWER = (
    "SELECT worker.name FROM held JOIN worker ON worker.id = held.worker"
    " WHERE held.name LIKE '%.script'"
)


@pytest.fixture
def bot(tmp_path, database_url):
    with cluster_bot(tmp_path, database_url) as bot:
        for name in NAMES:
            for tag in ("old1", "old2", "new"):
                bot.registry.put_image(name, tag, labels={"n": f"{name} {tag}"})
        yield bot


def configure(bot, **settings):
    """A script that is due in a second, and then in an hour."""
    repositories = [f"{bot.registry.host}/{name}" for name in NAMES]
    bot.configure_all(
        {"clean": {"script": SCRIPT, "repositories": repositories, "interval": "1s", **settings}}
    )


def agents(bot, method, part):
    """Who sent such requests."""
    return {request.headers["user-agent"] for request in bot.registry.asked(method, part)}


def script_runs(bot):
    """The runs of the script, the first one first."""
    with open_journal(bot.state) as journal:
        return list(reversed(journal.script_runs.all()))


def first_run(bot):
    """The first run of the script, when it has ended."""

    def ended():
        runs = script_runs(bot)
        return runs[0] if runs and runs[0].ended else None

    until(ended)
    return ended()


def all_is_done(bot):
    """The first run, which did all there was to do, once."""
    run = first_run(bot)
    assert (run.status, run.error, dict(run.counts)) == ("done", "", {"done": 2 * len(NAMES)})
    assert [set(bot.registry.tags(name)) for name in NAMES] == [{"new"}] * len(NAMES)
    until(lambda: [record.status for record in bot.runs()] == ["done"])
    (record,) = bot.runs()
    assert record.id == run.id
    assert len(bot.journalled()[run.id]) == 2 * len(NAMES)
    return run


def follower_of(bot, servers):
    """The server that follows the run, and the others."""
    with closing(opened(bot.database)) as database:
        ((name,),) = database.rows(_FOLLOWER)
    process = int(name.rpartition(" ")[2])
    (follower,) = [server for server in servers if server.pid == process]
    return follower, [server for server in servers if server is not follower]


class Meeting:
    """Holds up the lists of tags until all servers have asked for one, and ``go`` is set."""

    def __init__(self, bot, count):
        self._bot = bot
        self._count = count
        self.go = threading.Event()
        bot.registry.before("GET", "/tags/list", self._meet, times=1000)

    def _meet(self):
        self.until_there()
        assert self.go.wait(60)

    def until_there(self):
        until(lambda: len(agents(self._bot, "GET", "/tags/list")) >= self._count)


def test_servers_share_the_repositories_of_one_run(bot):
    configure(bot)
    meeting = Meeting(bot, 2)
    meeting.go.set()
    with quick_servers(bot.folder, count=2) as servers:
        all_is_done(bot)
    assert agents(bot, "DELETE", "") == {server.agent for server in servers}


def test_another_server_ends_the_run_of_one_that_is_killed(bot):
    configure(bot)
    meeting = Meeting(bot, 2)
    with quick_servers(bot.folder, count=2) as servers:
        meeting.until_there()
        follower, (other,) = follower_of(bot, servers)
        follower.kill()
        follower.wait()
        meeting.go.set()
        run = all_is_done(bot)
        until(lambda: len(script_runs(bot)) > 1)
    assert agents(bot, "DELETE", "") == {other.agent}
    assert f"run={run.id}" in other.log.read_text()


def test_a_server_that_ends_leaves_its_run_to_the_others(bot):
    configure(bot)
    meeting = Meeting(bot, 2)
    with quick_servers(bot.folder, "--grace", "10s", count=2) as servers:
        meeting.until_there()
        follower, (other,) = follower_of(bot, servers)
        follower.send_signal(signal.SIGTERM)
        assert follower.wait(20) == 0, follower.log.read_text()
        meeting.go.set()
        run = all_is_done(bot)
    with closing(opened(bot.database)) as database:
        rows = database.rows("SELECT state, failures FROM unit WHERE run = ?", (run.id,))
    assert set(rows) == {("done", 0)}
    assert other.agent in agents(bot, "DELETE", "")


def test_the_only_server_goes_on_when_it_is_back(bot):
    configure(bot)
    meeting = Meeting(bot, 1)
    with quick_servers(bot.folder) as (server,):
        meeting.until_there()
        os.kill(server.pid, signal.SIGKILL)
    meeting.go.set()
    with quick_servers(bot.folder):
        all_is_done(bot)


def test_a_server_that_hands_out_only_leaves_the_work_to_workers(bot):
    configure(bot)
    with quick_servers(bot.folder, "--queue-only") as (server,):
        until(lambda: "repository" in bot.run("units").stdout or script_runs(bot))
        with bot.worker("--user-agent", "test/worker"):
            all_is_done(bot)
    assert agents(bot, "", "") == {"test/worker"}
    assert server.log.read_text().count("script finished") >= 1


def test_only_servers_with_a_database_can_leave_the_work_to_others(bot, tmp_path):
    (tmp_path / "alone.yml").write_text(
        '{"defaults": {"state": "alone"},'
        ' "scripts": [{"name": "a", "interval": "1h", "script": "print(1)"}]}'
    )
    configure(bot)
    for arguments in (["-c", "alone.yml"], ["-c", "bot.yml", "--dry-run"]):
        done = regbot("server", "--queue-only", *arguments, home=tmp_path, cwd=tmp_path)
        assert done.returncode == 2
        assert "--queue-only" in done.stderr
