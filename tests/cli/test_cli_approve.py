"""approve: the plans that wait, and what is said of those that don't."""

from __future__ import annotations

import time
from contextlib import contextmanager

import pytest
from support.applying import APP, bot_in
from support.command import regbot
from support.registry import DISTRIBUTION_3

from regbot.journal.opening import open_journal
from regbot.journal.serverlock import only_server


@pytest.fixture(params=["folder", "database"])
def bot(request, tmp_path):
    database = "" if request.param == "folder" else request.getfixturevalue("database_url")
    with bot_in(tmp_path, DISTRIBUTION_3, database=database) as bot:
        bot.fill(old=2, new=1)
        bot.configure()
        yield bot


def waiting(bot, *, within=3600.0, made=None):
    """A plan that waits for approval, as a server leaves it; its id."""
    bot.make_plan()
    config = str(bot.folder / "bot.yml")
    with open_journal(bot.state) as journal:
        plan = journal.keep_plan(
            bot.plan_file.read_bytes(),
            made=time.time() if made is None else made,
            config=config,
            summary="would delete 2 tags in 1 repository",
            script="clean",
            approve_within=within,
        )
    return plan.id


@contextmanager
def server_of(bot, config):
    """What others see of a server of a config."""
    path = str(bot.folder / config)
    with open_journal(bot.state) as journal, only_server(bot.state, path):
        if bot.database:
            journal.be_server(path)
        yield


def states(bot):
    with open_journal(bot.state) as journal:
        return {plan.id: plan.state for plan in journal.plans()}


def test_the_plans_that_wait_are_listed(bot):
    named = str(bot.state) if bot.database else "state"
    assert bot.run("approve").stdout == f"no plan waits for approval in {named}\n"
    waiting(bot, within=10.0, made=time.time() - 60)
    plan = waiting(bot)
    (line,) = bot.run("approve").stdout.splitlines()
    cells = line.split("\t")
    assert (cells[0], cells[1], cells[3]) == (
        plan,
        "clean",
        "would delete 2 tags in 1 repository",
    )


def test_approving_changes_nothing_but_the_state(bot):
    plan = waiting(bot)
    done = bot.run("approve", plan[:-2])
    assert done.returncode == 0, done.stderr
    assert states(bot) == {plan: "approved"}
    assert bot.wrote() == []
    assert done.stdout == (
        f"approved the plan {plan}: would delete 2 tags in 1 repository; no server of its config"
        f" is running, so the next one applies it, or: regbot apply {plan} -c bot.yml\n"
    )


def test_the_command_that_is_told_applies_it(bot):
    plan = waiting(bot)
    told = bot.run("approve", plan).stdout.rpartition("or: regbot apply ")[2].split()
    assert bot.run("apply", told[0]).returncode == 0
    assert set(bot.registry.tags(APP)) == {"new0"}
    assert states(bot) == {plan: "applied"}


def test_a_running_server_is_told_of(bot):
    plan = waiting(bot)
    with server_of(bot, "bot.yml"):
        done = bot.run("approve", plan)
    assert done.stdout.endswith("; the server applies it now\n")


def test_a_server_of_another_config_does_not_count(bot):
    plan = waiting(bot)
    with server_of(bot, "other.yml"):
        done = bot.run("approve", plan)
    assert "no server of its config is running, so the next one applies it" in done.stdout


def test_a_plan_that_waits_is_there_until_it_lapses_however_short_the_journal_is_kept(bot):
    day = 86400.0
    plan = waiting(bot, within=40 * day, made=time.time() - 35 * day)
    assert plan in bot.run("show").stdout
    assert bot.run("show", plan).returncode == 0
    assert bot.run("apply", plan).returncode == 0
    assert states(bot) == {plan: "applied"}


def test_show_says_what_can_be_done(bot):
    plan = waiting(bot)
    assert f"; approve with: regbot approve {plan} -c bot.yml" in bot.run("show", plan).stdout
    bot.run("approve", plan)
    assert "; it is approved" in bot.run("show", plan).stdout
    bot.run("apply", plan)
    shown = bot.run("show", plan).stdout
    assert "; it was applied" in shown
    assert "apply with" not in shown


@pytest.mark.parametrize("state", ["approved", "applied", "lapsed", "kept"])
def test_other_plans_can_not_be_approved(bot, state):
    if state == "kept":
        bot.run("plan")
        (plan,) = states(bot)
    else:
        plan = waiting(bot, within=-10.0 if state == "lapsed" else 3600.0)
    if state in ("approved", "applied"):
        bot.run("approve", plan)
    if state == "applied":
        bot.run("apply", plan)
    done = bot.run("approve", plan)
    why = {
        "approved": "is approved already",
        "applied": "was applied already",
        "lapsed": "has lapsed (the next run of its script makes a new one)",
        "kept": "needs no approval",
    }[state]
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"the plan {plan} {why}")


def test_an_unknown_plan_is_told_with_the_command_that_lists_them(bot):
    done = bot.run("approve", "2020")
    assert done.returncode == 1
    assert "regbot show" in done.stderr


def test_it_works_without_a_config(tmp_path):
    done = regbot("approve", home=tmp_path, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(f"no plan waits for approval in {tmp_path}")
