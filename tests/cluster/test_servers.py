"""Several servers with one config and one database: what is due runs once."""

from __future__ import annotations

import subprocess
from contextlib import closing, contextmanager
from itertools import pairwise

import pytest
from support.clusterbot import cluster_bot
from support.clusterworker import until
from support.command import REGBOT, environment

from regbot.journal.opening import open_journal
from regbot.journal.shared import connect
from regbot.run.cluster.due import STEPS, DueClaims


@pytest.fixture
def bot(tmp_path, database_url):
    with cluster_bot(tmp_path, database_url) as bot:
        yield bot


@contextmanager
def servers(bot, count):
    """So many servers of one config; what each tells is in a file."""
    processes = []
    try:
        for number in range(count):
            with (bot.folder / f"server{number}").open("w") as log:
                processes.append(
                    subprocess.Popen(
                        [REGBOT, "server", "-c", "bot.yml"],
                        env=environment(bot.folder),
                        cwd=bot.folder,
                        stdin=subprocess.DEVNULL,
                        stderr=log,
                    )
                )
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def ended(bot):
    """When the runs that have ended were due."""
    with open_journal(bot.state) as journal:
        return sorted(run.due for run in journal.script_runs() if run.ended)


def test_what_is_due_runs_once_whoever_notices_it(bot):
    bot.configure(interval="1s")
    with servers(bot, 3):
        until(lambda: len(ended(bot)) >= 5)
    assert all(later - earlier >= 1 for earlier, later in pairwise(ended(bot)))


def test_a_script_does_not_overlap_itself_in_another_server(bot):
    bot.configure("local t = os.time() while os.time() < t + 2 do end", interval="1s")
    with servers(bot, 2):
        until(lambda: len(ended(bot)) >= 3)
    with open_journal(bot.state) as journal:
        runs = sorted((run for run in journal.script_runs() if run.ended), key=lambda r: r.started)
    assert all(later.started >= earlier.ended for earlier, later in pairwise(runs))
    assert any("in another server" in log.read_text() for log in bot.folder.glob("server*"))


def test_another_server_goes_on_when_one_is_killed(bot):
    bot.configure(interval="1s")
    with servers(bot, 2) as (first, _):
        until(lambda: len(ended(bot)) >= 2)
        first.kill()
        before = len(ended(bot))
        until(lambda: len(ended(bot)) >= before + 3)


def test_servers_count_an_interval_from_when_they_began(bot):
    with closing(connect(bot.state, {"due": STEPS}, 5.0)) as database:
        claims = DueClaims(database)
        assert claims.claim("bot.yml", "clean", 1000.0, 60.0)
        assert not claims.claim("bot.yml", "clean", 1030.0, 60.0)
        assert claims.claim("bot.yml", "clean", 1060.0, 60.0)
        assert claims.claim("bot.yml", "other", 1030.0, 60.0)
        assert not claims.claim("bot.yml", "clean", 1060.0, 0.0)
