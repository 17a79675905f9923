"""What the history says of runs that workers share, and for how long their units are kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support.applying import APP
from support.clusterbot import ClusterBot, cluster_bot
from support.clusterworker import opened

from regbot.journal.courses import Courses

_LONGEST = 60.0
DAY = 86400.0


@pytest.fixture
def bot(tmp_path: Path, database_url: str) -> Iterator[ClusterBot]:
    with cluster_bot(tmp_path, database_url) as bot:
        bot.configure()
        bot.fill()
        yield bot


@contextmanager
def held_up(bot: ClusterBot) -> Iterator[threading.Event]:
    """Until the end of the block, or until the event is set, the second delete is not answered."""
    is_held, hold = threading.Event(), threading.Event()

    def wait() -> None:
        is_held.set()
        assert hold.wait(_LONGEST)

    bot.registry.before("DELETE", "/manifests/", wait, after=1)
    try:
        with bot.worker() as worker:
            waiting = bot.start_logged("once", "--cluster")
            try:
                assert is_held.wait(_LONGEST)
                yield hold
            finally:
                hold.set()
                worker.send_signal(signal.SIGKILL)
                worker.wait()
                waiting.kill()
                waiting.wait()
    finally:
        hold.set()


def status_of_run(bot: ClusterBot) -> str:
    (run,) = bot.runs()
    return run.status


def test_a_run_is_running_until_its_last_unit_has_ended(bot):
    with held_up(bot):
        assert status_of_run(bot) == "running"
        assert "\trunning\t" in bot.run("history").stdout
        (run,) = [run.id for run in bot.runs()]
    assert status_of_run(bot) == "running"  # no worker is left, and none is needed
    assert bot.run("cancel", run).returncode == 0
    assert status_of_run(bot) == "stopped"
    with bot.worker():
        assert bot.run("once", "--cluster").returncode == 0
    assert [run.status for run in bot.runs()] == ["done", "stopped"]


def test_a_run_that_changed_nothing_is_not_in_the_history(bot):
    bot.configure("tag.ls(app)")
    with bot.worker():
        assert bot.run("once", "--cluster").returncode == 0
    assert bot.runs() == []


def test_units_are_removed_once_they_are_too_old(bot):
    with bot.worker():
        assert bot.run("once", "--cluster").returncode == 0
        (old,) = [run.id for run in bot.runs()]
        bot.fill()
        with closing(opened(bot.database)) as database:
            database.run("UPDATE course SET ended = ended - ?", (31 * DAY,))
            assert bot.run("once", "--cluster").returncode == 0
            new, *_ = [run.id for run in bot.runs()]
            assert {run for (run,) in database.rows("SELECT run FROM unit")} == {new}
            assert {run for (run,) in database.rows("SELECT run FROM course")} == {new}
    assert "no run" in bot.run("units", old).stderr
    assert "done" in bot.run("units", new).stdout
    assert [run.id for run in bot.runs()] == [new, old]
    assert bot.run("undo", old).returncode == 0
    assert "old0" in bot.registry.tags(APP)


@pytest.mark.parametrize("keep", ["1d", "60d"])
def test_units_are_kept_as_long_as_the_journal(bot, keep):
    bot.configure_all({"clean": {"script": "tag.ls(app)"}}, journalKeep=keep)
    with bot.worker(), closing(opened(bot.database)) as database:
        assert bot.run("once", "--cluster").returncode == 0
        database.run("UPDATE course SET ended = ended - ?", (31 * DAY,))
        assert bot.run("once", "--cluster").returncode == 0
        Courses(database).forget("/other.yml", 60.0)
        assert len(database.rows("SELECT run FROM course")) == (1 if keep == "1d" else 2)
