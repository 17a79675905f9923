"""A real server whose plans are looked at and approved: by page, by command, over HTTP."""

from __future__ import annotations

import json
import re
import signal
import threading
from html import unescape

import pytest
from support.applying import APP, Bot, bot_in
from support.askable import TOKEN, asked, configure
from support.images import make_image
from support.raw import push_raw
from support.registry import DISTRIBUTION_3
from support.servers import docker_registry, skopeo_tags

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
    with asked(bot) as server:
        yield server


def applied(server):
    server.until("command=apply status=done")
    return server.tags()


def test_the_schedule_makes_a_plan_that_waits(bot):
    configure(bot, approve=True, schedule="@every 1s")
    with asked(bot) as server:
        server.until("a plan waits for approval")
        assert server.tags() == OLD | NEW
        assert bot.wrote() == []


def test_approved_over_http(server):
    plan = server.plan_that_waits()
    assert server.tags() == OLD | NEW
    answer = server.ask(f"/plans/{plan}/approve")
    assert answer.json() == {"asked": "approve", "name": plan, "see": f"/plans/{plan}"}
    assert applied(server) == NEW
    again = server.ask(f"/plans/{plan}/approve")
    assert again.status_code == 409
    assert again.json()["error"].startswith(f"the plan {plan} ")
    assert server.ask(f"/plans/{plan}/apply").status_code == 409


def test_only_a_whole_id_will_do_over_http(server):
    plan = server.plan_that_waits()
    for path in ("approve", "apply"):
        assert server.ask(f"/plans/{plan[:-1]}/{path}").status_code == 404
    assert [plan.state for plan in server.plans()] == ["waiting"]


def test_a_new_token_counts_when_the_config_is_read_again(server, bot):
    path = bot.folder / "bot.yml"
    new = "a-new-token-of-the-config"
    path.write_text(path.read_text().replace(TOKEN, new))
    server.serving.process.send_signal(signal.SIGHUP)
    server.until("config reloaded")
    assert server.ask("/scripts/clean/run").status_code == 401
    headers = {"Authorization": f"Bearer {new}"}
    assert server.ask("/scripts/clean/run", headers=headers).status_code == 202


def test_approved_by_command(server, bot):
    plan = server.plan_that_waits()
    done = bot.run("approve", plan)
    assert done.stdout.endswith("; the server applies it now\n")
    assert applied(server) == NEW


def test_two_who_approve_at_once_apply_it_once(server):
    plan = server.plan_that_waits()
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
    with asked(bot) as server:
        plan = server.plan_that_waits()
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
    plan = server.plan_that_waits()
    server.bot.registry.put_image(APP, "old0", labels={"n": "moved"})
    server.ask(f"/plans/{plan}/approve")
    assert applied(server) == NEW | {"old0"}


def test_a_script_without_approval_runs_when_asked(bot):
    configure(bot, interval="1h")
    with asked(bot) as server:
        assert server.ask("/scripts/clean/plan").status_code == 202
        server.until("script finished")
        assert server.tags() == OLD | NEW
        assert server.ask("/scripts/unknown/run").status_code == 404
        assert server.ask("/scripts/clean/run").status_code == 202
        server.until("kept in the history")
        assert server.tags() == NEW


@pytest.mark.parametrize("name", ["team/../clean", 'a%2F100% é"<b>', "/etc/regbot/clean", "a/run"])
def test_the_button_of_an_odd_name_asks_for_that_script(bot, name):
    path = bot.folder / "bot.yml"
    config = json.loads(path.read_text())
    odd = {**config["scripts"][0], "name": name}
    path.write_text(json.dumps({**config, "scripts": [odd, *config["scripts"]]}))
    with asked(bot) as server:
        page = server.ask("/", "GET").text
        button, _ = re.findall(r'formaction="([^"]*)"', page)
        assert server.ask(unescape(button)).json()["name"] == name
        server.until("a plan waits for approval")
        assert [plan.script for plan in server.plans()] == [name]


def test_the_token_is_in_no_log_and_no_page(server):
    plan = server.plan_that_waits()
    server.ask("/plans/x/approve", headers={"Authorization": "Bearer not-the-right-token"})
    server.ask(f"/plans/{plan}/approve", headers=BROWSER, data={"token": TOKEN})
    applied(server)
    pages = [server.ask(path, "GET").text for path in ("/plans", f"/plans/{plan}")]
    shown = "".join([server.log, *pages])
    assert TOKEN not in shown
    assert "not-the-right-token" not in shown
    assert 'request="POST /plans/x/approve"' in shown


def test_on_a_real_registry(tmp_path):
    """docker-registry deletes no tag by its name, and skopeo sees what is left."""
    with docker_registry(tmp_path / "registry") as registry:
        for number, tag in enumerate((*OLD, *NEW)):
            push_raw(registry, APP, tag, make_image(labels={"n": str(number)}))
        bot = Bot(tmp_path, registry)
        configure(bot, approve=True, interval="1h")
        with asked(bot) as server:
            plan = server.plan_that_waits()
            assert set(skopeo_tags(registry.host, APP)) == OLD | NEW
            server.ask(f"/plans/{plan}/approve")
            assert applied(server) == NEW
            assert set(skopeo_tags(registry.host, APP)) == NEW
