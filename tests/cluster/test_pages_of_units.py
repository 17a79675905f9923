"""A real server with a database: its pages, its metrics, and how a run is ended over HTTP."""

from __future__ import annotations

import json

import pytest
from support.askable import TOKEN, asked
from support.clusterbot import cluster_bot
from support.clusterworker import until

from regbot.journal.opening import open_journal

FOR_EVER = "while true do end"


@pytest.fixture
def bot(tmp_path, database_url):
    with cluster_bot(tmp_path, database_url) as bot:
        yield bot


def configure(bot):
    """A script that ends by no means but a request, and a token to ask for that."""
    bot.configure(FOR_EVER, timeout="10m", interval="1h")
    path = bot.folder / "bot.yml"
    path.write_text(json.dumps({**json.loads(path.read_text()), "server": {"token": TOKEN}}))


def run_named_in(page):
    """The run that the first page leads to."""
    return page.partition('href="/runs/')[2].partition('"')[0]


def test_a_run_of_one_server_is_seen_and_ended_at_another(bot):
    configure(bot)
    with asked(bot) as first, asked(bot) as second:
        assert first.ask("/scripts/clean/run").status_code == 202
        until(lambda: "What runs where" in second.ask("/", "GET").text)
        run = run_named_in(second.ask("/", "GET").text)
        there, here = (each.ask(f"/runs/{run}", "GET").text for each in (first, second))
        assert f'data-live="/live?run={run}"' in there
        assert "on the page of the server that follows it" in here
        for page in (there, here):
            assert '<span class="status running">running</span>' in page
            assert f'action="/runs/{run}/cancel"' in page
        assert second.ask(f"/runs/{run}/cancel").status_code == 202
        first.until("its run was cancelled")
        until(lambda: "No run is being done by workers." in first.ask("/", "GET").text)
        with open_journal(bot.state) as journal:
            until(lambda: journal.script_runs.find(run).status == "stopped")
        assert "its run was cancelled" in second.ask(f"/runs/{run}", "GET").text


def test_a_run_that_workers_share_is_seen_and_ended_over_http(bot):
    configure(bot)
    with asked(bot) as server, bot.worker():

        def shown(page):
            return server.ask(page, "GET").text

        assert 'regbot_units{state="running"} 0.0' in shown("/metrics")
        waiting = bot.start_logged("once", "--cluster")
        try:
            until(lambda: 'regbot_units{state="running"} 1.0' in shown("/metrics"))
            first = shown("/")
            assert "What runs where" in first
            run = run_named_in(first)
            page = shown(f"/runs/{run}")
            assert f'action="/runs/{run}/cancel"' in page
            assert '<span class="status running">running</span>' in page
            answer = server.ask(f"/runs/{run}/cancel")
            assert answer.json() == {"asked": "cancel", "name": run, "see": f"/runs/{run}"}
            assert waiting.wait(30) == 130
            assert "its run was cancelled" in shown(f"/runs/{run}")
            assert server.ask(f"/runs/{run}/cancel").status_code == 409
            assert 'regbot_units{state="running"} 0.0' in shown("/metrics")
        finally:
            waiting.kill()
            waiting.wait()
