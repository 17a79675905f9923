"""A real server whose plans are looked at and approved: by page, by command, over HTTP."""

from __future__ import annotations

import threading

import pytest
from support.applying import APP, bot_in
from support.askable import TOKEN, configure, serving
from support.registry import DISTRIBUTION_3

BROWSER = {"Accept": "text/html"}
OLD, NEW = {"old0", "old1"}, {"new0"}


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=2, new=1)
        configure(bot, approve=True, interval="1h")
        yield bot


@pytest.fixture
def server(bot):
    with serving(bot) as server:
        yield server


def plan_of(server):
    """A plan that waits, because somebody asked for a run of the script; its id."""
    assert server.ask("/scripts/clean/run").status_code == 202
    server.until("a plan waits for approval")
    (plan,) = [plan for plan in server.plans() if plan.state == "waiting"]
    return plan.id


def applied(server):
    server.until("command=apply status=done")
    return server.tags()


def test_the_schedule_makes_a_plan_that_waits(bot):
    configure(bot, approve=True, schedule="@every 1s")
    with serving(bot) as server:
        server.until("a plan waits for approval")
        assert server.tags() == OLD | NEW
        assert bot.wrote() == []


def test_approved_over_http(server):
    plan = plan_of(server)
    assert server.tags() == OLD | NEW
    answer = server.ask(f"/plans/{plan}/approve")
    assert answer.json() == {"asked": "approve", "name": plan, "see": f"/plans/{plan}"}
    assert applied(server) == NEW
    again = server.ask(f"/plans/{plan}/approve")
    assert again.status_code == 409
    assert again.json()["error"].startswith(f"the plan {plan} ")
    assert server.ask(f"/plans/{plan}/apply").status_code == 409


def test_approved_by_command(server, bot):
    plan = plan_of(server)
    done = bot.run("approve", plan)
    assert done.stdout.endswith("; the server applies it now\n")
    assert applied(server) == NEW


def test_two_who_approve_at_once_apply_it_once(server):
    plan = plan_of(server)
    statuses = []

    def approve():
        statuses.append(server.ask(f"/plans/{plan}/approve").status_code)

    threads = [threading.Thread(target=approve) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [202, *[409] * 7]
    assert applied(server) == NEW
    deletes = [line for line in server.bot.wrote() if line.startswith("DELETE")]
    assert len(deletes) == len(OLD)


def test_a_lapsed_plan_can_not_be_approved(bot):
    configure(bot, approve=True, approveWithin="1s", interval="1h")
    with serving(bot) as server:
        plan = plan_of(server)
        server.until("a plan lapsed")
        for path in ("approve", "apply"):
            answer = server.ask(f"/plans/{plan}/{path}")
            assert answer.status_code == 409
            assert "has lapsed" in answer.json()["error"]
        done = bot.run("approve", plan)
        assert done.returncode == 1
        assert "has lapsed" in done.stderr
        page = server.ask(f"/plans/{plan}", "GET")
        assert "lapsed" in page.text
        assert "<form" not in page.text
        assert server.tags() == OLD | NEW


def test_a_tag_that_has_moved_since_is_skipped(server):
    plan = plan_of(server)
    server.bot.registry.put_image(APP, "old0", labels={"n": "moved"})
    server.ask(f"/plans/{plan}/approve")
    assert applied(server) == NEW | {"old0"}


def test_a_script_without_approval_runs_when_asked(bot):
    configure(bot, interval="1h")
    with serving(bot) as server:
        assert server.ask("/scripts/clean/plan").status_code == 202
        server.until("script finished")
        assert server.tags() == OLD | NEW
        assert server.ask("/scripts/unknown/run").status_code == 404
        assert server.ask("/scripts/clean/run").status_code == 202
        server.until("kept in the history")
        assert server.tags() == NEW


def test_the_token_is_in_no_log_and_no_page(server):
    plan = plan_of(server)
    server.ask("/plans/x/approve", headers={"Authorization": "Bearer not-the-right-token"})
    server.ask(f"/plans/{plan}/approve", headers=BROWSER, data={"token": TOKEN})
    applied(server)
    pages = [server.ask(path, "GET").text for path in ("/plans", f"/plans/{plan}")]
    shown = "".join([*server.lines, *pages])
    assert TOKEN not in shown
    assert "not-the-right-token" not in shown
    assert 'request="POST /plans/x/approve"' in shown
