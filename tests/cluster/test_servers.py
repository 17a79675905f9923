"""Several servers with one config and one database: what is due runs once."""

from __future__ import annotations

import io
import subprocess
import threading
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from support.applying import APP, DELETE_OLD
from support.clusterbot import cluster_bot
from support.clusterworker import opened, until
from support.command import REGBOT, environment
from support.serving import served, state_of

from regbot.config.load import read_config
from regbot.config.values import Script
from regbot.errors import StorageError
from regbot.events import Printed
from regbot.journal.opening import open_journal
from regbot.journal.shared import SharedState, connect
from regbot.plan.outcome import ActionDone
from regbot.run.cluster.due import STEPS, DueClaims
from regbot.run.cluster.opening import open_servers
from regbot.run.service_events import PlanWaits, ScriptRunEnded, ScriptRunLeft


@pytest.fixture
def bot(tmp_path, database_url, monkeypatch):
    monkeypatch.chdir(tmp_path)
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
        return sorted(run.due for run in journal.script_runs.all() if run.ended)


def test_what_is_due_runs_once_whoever_notices_it(bot):
    bot.fill()
    bot.configure(interval="1s")
    with servers(bot, 3):
        until(lambda: len(ended(bot)) >= 5)
    assert all(later - earlier >= 1 for earlier, later in pairwise(ended(bot)))


def test_a_script_does_not_overlap_itself_in_another_server(bot):
    bot.configure("local t = os.time() while os.time() < t + 2 do end", interval="1s")
    with servers(bot, 2):
        until(lambda: len(ended(bot)) >= 3)
    with open_journal(bot.state) as journal:
        runs = sorted(
            (run for run in journal.script_runs.all() if run.ended), key=lambda r: r.started
        )
    assert all(later.started >= earlier.ended for earlier, later in pairwise(runs))
    assert any("in another server" in log.read_text() for log in bot.folder.glob("server*"))


def test_another_server_goes_on_when_one_is_killed(bot):
    bot.fill()
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


@contextmanager
def serving(bot, **settings):
    """A server in this process of the script ``clean``, which is due in an hour."""
    bot.configure(**{"interval": "1h", **settings})
    with served(read(bot), read=lambda: read(bot)) as (service, heard):
        yield service, heard


def read(bot):
    """The config as it is in the file now."""
    return read_config(str(bot.folder / "bot.yml"), environ={}, stdin=io.BytesIO())


SLOW = "local t = os.time() while os.time() < t + 2 do end"


def test_what_two_servers_are_asked_for_at_once_does_not_overlap(bot):
    with serving(bot, script=SLOW) as (first, heard), serving(bot, script=SLOW) as (second, other):
        first.run_now("clean")
        second.run_now("clean")
        (earlier, later) = sorted((*heard.ended(), *other.ended()), key=lambda run: run.started)
    assert [earlier.status, later.status] == ["done", "done"]
    assert later.started >= earlier.ended


def test_what_is_claimed_and_not_handed_out_is_left_to_the_others(bot):
    script = Script(name="clean", text="", interval=60.0)
    due = datetime.fromtimestamp(1000, UTC)
    with closing(SharedState(bot.state)) as first, closing(SharedState(bot.state)) as second:
        dying, other = (open_servers(shared, "bot.yml") for shared in (first, second))
        with suppress(StorageError), dying.deciding():
            assert dying.claim(script, due)
            raise StorageError("it is gone")
        with other.deciding():
            assert other.claim(script, due)


def test_what_units_here_do_is_told_once(bot):
    bot.fill(old=3)
    with serving(bot) as (service, heard):
        service.run_now("clean")
        (run,) = heard.ended()
        assert len(heard.of(ActionDone)) == 3
    assert run.counts == {"done": 3}


def test_every_server_knows_the_last_run_of_all(bot):
    bot.fill()
    with serving(bot) as (first, heard), serving(bot) as (second, _):
        first.run_now("clean")
        (run,) = heard.ended()
        until(lambda: state_of(second, "clean").last == run)
        assert state_of(second, "clean").last_success == run.ended


def test_a_run_goes_on_with_its_config_when_that_is_replaced(bot):
    held, go = threading.Event(), threading.Event()

    def hold():
        held.set()
        assert go.wait(60)

    bot.fill(old=1)
    bot.registry.before("GET", "/tags/list", hold)
    with serving(bot) as (service, heard):
        service.run_now("clean")
        assert held.wait(60)
        bot.configure("print('another')", interval="2h")
        assert service.reload()
        go.set()
        (run,) = heard.ended()
        assert (run.status, run.counts) == ("done", {"done": 1})
        service.run_now("clean")
        heard.ended(2)
        assert [event.text for event in heard.of(Printed)] == ["another"]


@pytest.mark.parametrize("approve", [False, True])
def test_a_run_is_told_once_when_a_server_wakes_up_that_another_one_took_it_from(
    bot, approve, monkeypatch
):
    held, go = threading.Event(), threading.Event()

    def hold():
        held.set()
        assert go.wait(60)

    bot.fill(old=1)
    bot.registry.before("GET", "/tags/list", hold)
    with (
        serving(bot, approve=approve) as (second, other),
        served(read(bot), queue_only=True) as (first, heard),
    ):
        first.run_now("clean")
        assert held.wait(60)
        monkeypatch.setattr(first, "_take_over", lambda _servers: None)  # it sleeps
        with closing(opened(bot.database)) as database:
            assert database.run("DELETE FROM held WHERE name LIKE '%.script'") == 1
        until(lambda: state_of(second, "clean").running)
        go.set()
        (run,) = other.ended()
        heard.until(lambda: heard.of(ScriptRunLeft))
    assert run.status == "done"
    assert heard.of(ScriptRunEnded) == heard.of(PlanWaits) == []
    assert len(other.of(PlanWaits)) == int(approve)


CUT_OFF = "UPDATE unit SET state = 'running', worker = 'gone', begun = 0, ready = 0"
OF_ANOTHER_VERSION = "UPDATE course SET fingerprint = replace(fingerprint, '.', '.0')"


@pytest.mark.parametrize(
    ("script", "meanwhile"),
    [("print('another')", CUT_OFF), (DELETE_OLD, OF_ANOTHER_VERSION)],
    ids=["its worker was killed", "another version"],
)
def test_a_run_that_nobody_can_do_any_more_ends(bot, monkeypatch, script, meanwhile):
    monkeypatch.setattr("regbot.run.cluster.servers._NOBODY_FOR", 0.5)
    bot.configure(interval="1h")
    bot.fill(old=0)
    with served(read(bot), queue_only=True) as (service, _):
        service.run_now("clean")
        until(lambda: service.states()[0].running)
    with closing(opened(bot.database)) as database:
        assert database.run(meanwhile) == 1
        database.run("DELETE FROM procrastinate_jobs")
    with serving(bot, script=script) as (service, heard):
        (run,) = heard.ended(script="clean")
        assert run.status == "stopped"
        assert f"regbot units {run.id}" in run.error
        service.run_now("clean")
        heard.ended(status="done")


def test_a_plan_is_applied_to_its_end_when_the_server_that_began_it_is_gone(bot):
    held, go = threading.Event(), threading.Event()

    def hold():
        held.set()
        assert go.wait(60)

    bot.fill(old=3)
    bot.registry.before("DELETE", "/manifests/", hold)
    with serving(bot, approve=True) as (second, other):
        with served(read(bot), queue_only=True) as (first, heard):
            first.run_now("clean")
            heard.until(lambda: heard.of(PlanWaits))
            plan = heard.of(PlanWaits)[0].plan
            first.approve(plan.id)
            assert held.wait(60)
        go.set()
        (run,) = other.ended(kind="apply")
        assert second.journal.plan(plan.id).state == "applied"
    assert (run.status, run.plan, run.counts) == ("done", plan.id, {"done": 3})
    assert set(bot.registry.tags(APP)) == {"new0", "new1"}
