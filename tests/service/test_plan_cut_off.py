"""A server that is killed while it applies a plan: the plan can be applied again, by a person."""

from __future__ import annotations

import subprocess
import threading
from contextlib import suppress

import pytest
from support.applying import APP, bot_in
from support.command import REGBOT, environment, log_until
from support.registry import DISTRIBUTION_3

from regbot.errors import Conflict
from regbot.journal.opening import open_journal


@pytest.fixture
def bot(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=2, new=2)
        bot.configure(interval="1s", approve=True)
        yield bot


def start(bot):
    return subprocess.Popen(
        [REGBOT, "server", "-c", str(bot.folder / "bot.yml")],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(bot.folder),
        cwd=bot.folder,
        text=True,
    )


def approve_one(bot):
    """Approve the plan that waits; another may take its place at any moment."""
    with open_journal(bot.state) as journal:
        for _ in range(100):
            with suppress(Conflict):
                return journal.approve_plan(journal.plans()[0].id).id
    raise AssertionError("no plan waited long enough")


def state(bot, plan):
    with open_journal(bot.state) as journal:
        return journal.plan(plan).state


def test_a_plan_that_a_killed_server_applied_has_failed_and_can_be_applied_again(bot):
    reached, go = threading.Event(), threading.Event()
    bot.registry.before("DELETE", "/old", lambda: reached.set() or go.wait(60), times=2)
    first = start(bot)
    try:
        log_until(first, "a plan waits for approval")
        bot.configure(interval="1h", approve=True)
        plan = approve_one(bot)
        assert reached.wait(60)
        assert state(bot, plan) == "applying"
        refused = bot.run("apply", plan)  # and nothing of the config, which has changed
        assert (refused.returncode, refused.stderr) == (1, f"the plan {plan} is being applied\n")
    finally:
        first.kill()
        first.communicate()
        go.set()
    assert state(bot, plan) == "failed"
    second = start(bot)
    try:
        log_until(second, "msg=scheduled")
        again = bot.run("apply", plan)
        assert again.returncode == 0, again.stderr
    finally:
        second.kill()
        second.communicate()
    assert set(bot.registry.tags(APP)) == {"new0", "new1"}
    assert state(bot, plan) == "applied"
    with open_journal(bot.state) as journal:
        runs = [(run.kind, run.status, run.plan) for run in journal.script_runs.all()]
    assert ("apply", "interrupted", plan) in runs
