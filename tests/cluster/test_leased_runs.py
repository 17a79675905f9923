"""A run whose state is a database ends with the lease that it took at its begin."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest
from support.applying import APP
from support.clusterbot import cluster_bot
from support.clusterworker import until
from support.postgres import postgres as own_postgres
from support.quickcommand import LEASE, quick_command

from regbot.journal.place import DatabaseUrl
from regbot.journal.postgres import PostgresDatabase

_LONGEST = 60.0
OLD = 6
WHY = "its lease is over"
PUT_NEW = "for i = 1, 3 do image.copy(app .. ':new0', app .. ':old' .. i) end"
"""Puts tags, and beside a run that deletes them by turns."""
SCRIPTS = {
    "at once": {"script": 'for i = 0, 5 do tag.delete(app .. ":old" .. i) end'},
    "judged first": {
        "script": 'for i = 0, 5 do tag.delete(app .. ":old" .. i) end',
        "guard": {"maxDeletes": 100},
    },
    "that carries on": {
        "script": 'for i = 0, 5 do pcall(tag.delete, app .. ":old" .. i) end',
    },
}


@pytest.fixture
def bot(tmp_path, database_url):
    with cluster_bot(tmp_path, database_url) as bot:
        bot.fill(old=OLD, new=1)
        bot.configure_all({"clean": SCRIPTS["at once"]})
        yield bot


def looking(url: str) -> PostgresDatabase:
    """A connection that waits for nobody's transaction."""
    return PostgresDatabase(DatabaseUrl.parse(url), patience=5.0)


class Suspending:
    """Suspends a process while the registry has a request of it, until its lease is over."""

    def __init__(self, bot, method: str, path: str, after: int = 0) -> None:
        self._bot = bot
        self._is_ready, self._is_suspended = threading.Event(), threading.Event()
        self._process = None
        bot.registry.before(method, path, self._suspend, after=after)

    def _suspend(self) -> None:
        assert self._is_ready.wait(_LONGEST)
        self._process.send_signal(signal.SIGSTOP)
        self._is_suspended.set()

    def until_its_lease_is_over(self, process) -> list[str]:
        """Let the process go on once nobody's lease holds any more; what it wrote by then."""
        self._process = process
        self._is_ready.set()
        assert self._is_suspended.wait(_LONGEST)
        with closing(looking(self._bot.database)) as database:
            alive = f"SELECT 1 FROM worker WHERE until > {database.now}"
            until(lambda: not database.rows(alive))
        assert process.poll() is None, "somebody else woke it up"
        written = self._bot.wrote()
        process.send_signal(signal.SIGCONT)
        return written


def said(bot) -> str:
    return (bot.folder / "stderr").read_text()


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_run_that_slept_past_its_lease_deletes_nothing_more(bot, script):
    one_at_a_time = {"registry": bot.registry.host, "tls": "disabled", "reqConcurrent": 1}
    bot.configure_all({"clean": script}, [one_at_a_time])
    before = dict(bot.registry.tags(APP))
    suspending = Suspending(bot, "DELETE", "/manifests/", after=2)
    with quick_command(bot, "once") as run:
        written = suspending.until_its_lease_is_over(run)
        assert run.wait(_LONGEST) == 130, said(bot)
    assert bot.wrote() == written
    assert set(bot.registry.tags(APP)) < set(before)
    (told,) = (line for line in said(bot).splitlines() if "level=ERROR" in line)
    assert WHY in told
    (record,) = bot.runs()
    assert record.status == "stopped"
    assert bot.run("undo", record.id).returncode == 0
    assert dict(bot.registry.tags(APP)) == before


def test_no_script_begins_after_the_end_of_the_lease(bot):
    bot.configure_all(
        {"clean": SCRIPTS["at once"], "more": {"script": 'tag.delete(app .. ":new0")'}}, parallel=0
    )
    suspending = Suspending(bot, "DELETE", "/manifests/")
    with quick_command(bot, "once") as run:
        written = suspending.until_its_lease_is_over(run)
        assert run.wait(_LONGEST) == 130
    assert bot.wrote() == written
    assert "new0" in bot.registry.tags(APP)


def test_a_plan_that_slept_past_its_lease_can_be_applied_again(bot):
    assert bot.run("plan").returncode == 0
    plan = bot.run("show").stdout.split("\t")[0]
    suspending = Suspending(bot, "DELETE", "/manifests/", after=2)
    with quick_command(bot, "apply", plan) as run:
        written = suspending.until_its_lease_is_over(run)
        assert run.wait(_LONGEST) == 130, said(bot)
    assert bot.wrote() == written
    assert WHY in said(bot)
    assert [record.status for record in bot.runs()] == ["stopped"]
    assert bot.run("apply", plan).returncode == 0
    assert set(bot.registry.tags(APP)) == {"new0"}


def test_an_undo_that_slept_past_its_lease_puts_nothing_more_back(bot):
    before = dict(bot.registry.tags(APP))
    assert bot.run("once").returncode == 0
    (record,) = bot.runs()
    suspending = Suspending(bot, "PUT", "/manifests/", after=2)
    with quick_command(bot, "undo", record.id) as undo:
        written = suspending.until_its_lease_is_over(undo)
        assert undo.wait(_LONGEST) == 130, said(bot)
    assert bot.wrote() == written
    assert WHY in (bot.folder / "stdout").read_text()
    assert [record.status for record in bot.runs()] == ["stopped", "done"]
    assert bot.run("undo", record.id).returncode == 0
    assert dict(bot.registry.tags(APP)) == before


def test_a_run_that_misses_the_database_for_longer_than_its_lease_stops(tmp_path):
    """It goes on to read as long as its lease holds."""
    with own_postgres() as server, server.database() as url, cluster_bot(tmp_path, url) as bot:
        bot.fill(old=OLD, new=1)
        bot.configure()

        def away() -> None:
            server.stop("immediate")
            time.sleep(LEASE)

        bot.registry.before("GET", "/tags/list", away)
        with quick_command(bot, "once") as run:
            assert run.wait(_LONGEST) == 130, said(bot)
        server.start()
        assert bot.wrote() == []
        assert WHY in said(bot)
        assert bot.runs() == []


@pytest.fixture
def waiting(database_url) -> Callable[[], bool]:
    """Whether a process waits for its turn at a repository."""
    with closing(looking(database_url)) as database:
        yield lambda: '"waiting": [[' in str(database.rows("SELECT claims FROM turn"))


def test_runs_of_two_machines_take_turns_at_a_repository(bot, waiting):
    """No tag is put while another run deletes there."""
    is_deleting, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        is_deleting.set()
        assert go_on.wait(_LONGEST)

    bot.registry.before("DELETE", "/manifests/", hold, after=2)
    deleting = bot.start("once")
    assert is_deleting.wait(_LONGEST)
    bot.configure(PUT_NEW)
    putting = bot.start("once")
    try:
        until(waiting)
        assert [line for line in bot.wrote() if line.startswith("PUT")] == []
    finally:
        go_on.set()
    assert (deleting.wait(_LONGEST), putting.wait(_LONGEST)) == (0, 0)
