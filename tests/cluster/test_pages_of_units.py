"""A real server with a database: its pages, its metrics, and how a run is ended over HTTP."""

from __future__ import annotations

import json

import pytest
from support.askable import TOKEN, asked
from support.clusterbot import cluster_bot
from support.clusterworker import until

FOR_EVER = "while true do end"


@pytest.fixture
def bot(tmp_path, database_url):
    with cluster_bot(tmp_path, database_url) as bot:
        yield bot


def test_a_run_that_workers_share_is_seen_and_ended_over_http(bot):
    bot.configure(FOR_EVER, timeout="10m", interval="1h")
    path = bot.folder / "bot.yml"
    path.write_text(json.dumps({**json.loads(path.read_text()), "server": {"token": TOKEN}}))
    with asked(bot) as server, bot.worker():

        def shown(page):
            return server.ask(page, "GET").text

        assert 'regbot_units{state="running"} 0.0' in shown("/metrics")
        waiting = bot.start_logged("once", "--cluster")
        try:
            until(lambda: 'regbot_units{state="running"} 1.0' in shown("/metrics"))
            first = shown("/")
            assert "What runs where" in first
            run = first.partition('href="/runs/')[2].partition('"')[0]
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
