"""Plans of a server: made instead of a run, approved by somebody, and applied once."""

from __future__ import annotations

import io
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from support.applying import APP, bot_in
from support.registry import DISTRIBUTION_3
from support.serving import CONFIG_PATH, served, state_of

from regbot.config.load import read_config
from regbot.errors import Conflict, NotFound, Stopped
from regbot.events import Message
from regbot.journal.opening import open_journal
from regbot.run.service_events import PlanLapsed, PlanWaits, ScriptRunEnded

LEFT = {"new0", "new1"}
ALL = {*LEFT, "old0", "old1"}


@pytest.fixture(params=["folder", "database"])
def bot(request, tmp_path, monkeypatch):
    """A bot whose runs are done here, or by the workers of a cluster, of which this is one."""
    monkeypatch.chdir(tmp_path)
    url = request.getfixturevalue("database_url") if request.param == "database" else ""
    with bot_in(tmp_path, DISTRIBUTION_3, database=url) as bot:
        bot.fill(old=2, new=2)
        yield bot


@contextmanager
def serving(bot, **settings):
    """A server of the script ``clean``, which is due in an hour."""
    settings = {"interval": "1h", **settings}
    dry_run = settings.pop("dry_run", False)
    bot.configure(**settings)
    config = read_config(str(bot.folder / "bot.yml"), environ={}, stdin=io.BytesIO())
    with served(config, dry_run=dry_run) as (service, heard):
        yield service, heard


def tags(bot):
    return set(bot.registry.tags(APP))


def made(service, heard):
    """The plan that the script makes when it is asked to run."""
    service.run_now("clean")
    heard.until(lambda: heard.of(PlanWaits))
    return heard.of(PlanWaits)[-1].plan


def messages(heard, part):
    return [event for event in heard.of(Message) if part in event.text]


def test_a_script_that_needs_approval_makes_a_plan_when_it_is_due_and_changes_nothing(bot):
    with serving(bot, interval="1s", approve=True) as (service, heard):
        run, *_ = heard.ended()
        plan = heard.of(PlanWaits)[0].plan
        assert service.journal is not None
        assert service.journal.plan(plan.id).state in ("waiting", "lapsed")
    assert (run.script, run.kind, run.status, run.plan) == ("clean", "plan", "done", plan.id)
    assert (run.counts, run.due is not None) == ({"planned": 2}, True)
    assert run.summary == "would delete 2 tags in 1 repository"
    assert (plan.script, plan.state, plan.config) == ("clean", "waiting", CONFIG_PATH)
    assert plan.lapses == plan.made + 86400
    assert "would delete 2 tags" in plan.summary
    assert tags(bot) == ALL
    assert bot.wrote() == []


def test_who_asks_such_a_script_to_run_gets_a_plan_too(bot):
    with serving(bot, approve=True) as (service, heard):
        plan = made(service, heard)
        (run,) = heard.ended(kind="plan")
        assert (run.plan, run.due) == (plan.id, None)
        assert state_of(service, "clean").last_success is None
    assert tags(bot) == ALL


def test_an_approved_plan_is_applied(bot):
    with serving(bot, approve=True) as (service, heard):
        plan = made(service, heard)
        assert service.approve(plan.id).state == "approved"
        (run,) = heard.ended(kind="apply")
        assert (run.script, run.status, run.plan) == ("clean", "done", plan.id)
        assert run.counts == {"done": 2}
        assert run.summary.startswith("deleted 2 tags in 1 repository in ")
        assert tags(bot) == LEFT
        for change in (service.approve, service.apply):
            with pytest.raises(Conflict, match="was applied already"):
                change(plan.id)
        assert service.journal is not None
        assert service.journal.run(run.id).kind == "apply"
    with open_journal(bot.state) as journal:
        assert journal.plan(plan.id).state == "applied"


def test_a_plan_that_another_process_approves_is_applied(bot):
    with serving(bot, approve=True) as (service, heard):
        plan = made(service, heard)
        with open_journal(bot.state) as journal:
            journal.approve_plan(plan.id)
        heard.ended(kind="apply", status="done")
    assert tags(bot) == LEFT


def test_a_plan_that_was_approved_while_no_server_ran_is_applied_by_the_next(bot):
    with serving(bot, approve=True) as (service, heard):
        plan = made(service, heard)
    with open_journal(bot.state) as journal:
        journal.approve_plan(plan.id)
    with serving(bot, approve=True) as (service, heard):
        heard.ended(kind="apply", status="done")
    assert tags(bot) == LEFT


def test_a_newer_plan_takes_the_place_of_one_that_waits(bot):
    with serving(bot, interval="1s", approve=True) as (service, heard):
        heard.until(lambda: len(heard.of(PlanWaits)) > 1)
        first, second, *_ = (event.plan for event in heard.of(PlanWaits))
        assert heard.of(PlanLapsed)[0].plan == replace(first, state="lapsed")
        assert first.id != second.id
        with pytest.raises(Conflict, match="has lapsed"):
            service.approve(first.id)


def test_where_nothing_is_left_to_do_no_plan_is_kept_and_none_waits_any_more(bot):
    with serving(bot, approve=True) as (service, heard):
        plan = made(service, heard)
        for tag in ("old0", "old1"):
            bot.registry.content.repository(APP).delete_tag(tag)
        service.run_now("clean")
        heard.until(lambda: heard.of(PlanLapsed))
        run = heard.ended(2, kind="plan")[1]
        assert (run.plan, run.status) == ("", "done")
        assert service.journal is not None
        assert [kept.id for kept in service.journal.plans()] == [plan.id]


@pytest.mark.parametrize("bot", ["folder"], indirect=True)
def test_a_plan_of_a_script_that_fails_is_not_kept_and_the_last_one_goes_on_waiting(bot):
    with serving(bot, approve=True) as (service, heard):
        plan = made(service, heard)
        bot.registry.break_next(path="/tags/list", times=100, status=403)
        service.run_now("clean")
        run, *_ = heard.ended(kind="plan", status="failed")
        assert run.plan == ""
        assert service.journal is not None
        assert [kept.state for kept in service.journal.plans()] == ["waiting"]
        assert service.journal.plans()[0].id == plan.id


def test_a_plan_lapses_that_nobody_approves_in_time(bot):
    with serving(bot, approve=True, approveWithin="1s") as (service, heard):
        plan = made(service, heard)
        heard.until(lambda: heard.of(PlanLapsed))
        with pytest.raises(Conflict, match="has lapsed"):
            service.approve(plan.id)
        assert messages(heard, "nobody approved it in time")
    assert tags(bot) == ALL


def test_a_plan_of_another_script_is_made_and_applied_when_asked_for_any_number_of_times(bot):
    with serving(bot) as (service, heard):
        service.plan_now("clean")
        run, *_ = heard.ended(kind="plan")
        assert tags(bot) == ALL
        service.apply(run.plan)
        heard.ended(kind="apply", status="done")
        assert tags(bot) == LEFT
        service.apply(run.plan)
        again = heard.ended(2, kind="apply")[1]
        assert again.status == "done"
        assert service.journal is not None
        assert service.journal.plan(run.plan).state == ""
    assert heard.of(PlanWaits) == []


def test_who_applies_a_plan_that_waits_approves_it(bot):
    with serving(bot, approve=True) as (service, heard):
        service.apply(made(service, heard).id)
        heard.ended(kind="apply", status="done")
    assert tags(bot) == LEFT


def test_what_failed_can_be_applied_again(bot):
    with serving(bot, approve=True) as (service, heard):
        plan = made(service, heard)
        bot.registry.break_next(method="DELETE", times=100, status=403)
        service.approve(plan.id)
        run, *_ = heard.ended(kind="apply")
        assert run.status == "failed"
        assert "2 of 2 actions failed: " in run.error
        assert tags(bot) == ALL
        bot.registry.faults.clear()
        service.apply(plan.id)
        heard.ended(kind="apply", status="done")
    assert tags(bot) == LEFT


def test_the_guard_of_the_script_holds_when_its_plan_is_applied(bot):
    with serving(bot, approve=True) as (service, heard):
        plan = made(service, heard)
    with serving(bot, approve=True, guard={"protect": ["old1"]}) as (service, heard):
        service.approve(plan.id)
        (run,) = heard.ended(kind="apply")
        assert run.counts == {"done": 1, "failed": 1}
        assert messages(heard, "the config or its scripts changed since the plan was made")
    assert tags(bot) == {*LEFT, "old1"}


def test_a_plan_of_another_config_is_not_applied(bot):
    bot.configure()
    assert bot.run("plan").returncode == 0
    with open_journal(bot.state) as journal:
        (plan,) = journal.plans()
    with serving(bot) as (service, _):
        for change in (service.approve, service.apply):
            with pytest.raises(Conflict, match="was made with another config"):
                change(plan.id)
        with pytest.raises(NotFound):
            service.apply("1999")
    with pytest.raises(Stopped):
        service.plan_now("clean")


def test_a_dry_server_keeps_no_plan_and_changes_nothing(bot):
    with serving(bot, approve=True, dry_run=True) as (service, heard):
        service.run_now("clean")
        heard.ended(status="done")
        for change in (service.plan_now, service.apply, service.approve):
            with pytest.raises(Conflict, match="keeps no plans"):
                change("clean")
    assert tags(bot) == ALL


@pytest.mark.parametrize("bot", ["folder"], indirect=True)
def test_where_no_plan_can_be_kept_the_script_fails_and_changes_nothing(bot):
    bot.state.write_text("this is a file")
    with serving(bot, approve=True) as (service, heard):
        service.run_now("clean")
        run, *_ = heard.ended()
        assert (run.status, run.kind) == ("failed", "plan")
        assert run.error.startswith("the plan is not kept: ")
    assert tags(bot) == ALL
    assert [event.run.id for event in heard.of(ScriptRunEnded)] == [run.id]


def test_a_plan_that_a_person_applies_is_not_applied_by_the_server(bot):
    with serving(bot, approve=True) as (service, heard):
        plan = made(service, heard)
        assert service.journal is not None
        applied = bot.run("apply", plan.id)
        assert applied.returncode == 0, applied.stderr
        assert tags(bot) == LEFT
        with pytest.raises(Conflict, match="was applied already"):
            service.approve(plan.id)
    refused = bot.run("apply", plan.id)
    assert (refused.returncode, refused.stderr) == (
        1, f"the plan {plan.id} was applied already\n",
    )  # fmt: skip
    assert heard.ended(0, kind="apply") == []
    shown = bot.run("show")
    assert [line.split("\t")[2] for line in shown.stdout.splitlines()] == ["applied"]


def test_a_plan_is_applied_once_however_many_do_it_at_the_same_time(bot):
    with serving(bot, approve=True) as (service, heard):
        plan = made(service, heard)
        bot.registry.forget()
        commands = [bot.start_logged("apply", plan.id) for _ in range(4)]
        with suppress(Conflict):
            service.approve(plan.id)
        codes = [command.wait(60) for command in commands]
        heard.ended(int(0 not in codes), kind="apply", status="done")
        deletes = [logged.path for logged in bot.registry.asked("DELETE")]
    assert codes.count(0) + len(heard.ended(0, kind="apply", status="done")) == 1
    assert len(deletes) == len(set(deletes)) == 2
    with open_journal(bot.state) as journal:
        assert journal.plan(plan.id).state == "applied"
    assert tags(bot) == LEFT


def test_an_approved_plan_that_cant_be_read_lapses_and_stops_no_other(bot):
    with serving(bot, approve=True) as (service, heard):
        good = made(service, heard)
        assert service.journal is not None
        broken = service.journal.keep_plan(
            b"{}",
            made=good.made - 1,
            config=CONFIG_PATH,
            summary="",
            script="clean",
            approve_within=1e6,
        )
        for plan in (broken, good):
            service.journal.approve_plan(plan.id)
        heard.ended(kind="apply", status="done")
        assert heard.of(PlanLapsed)[0].plan.id == broken.id
        assert messages(heard, "not a plan")
    assert tags(bot) == LEFT


def test_history_tells_which_plan_a_run_made(bot):
    with serving(bot, approve=True) as (service, heard):
        plan = made(service, heard)
    lines = bot.run("history", "--all").stdout.splitlines()
    (line,) = [line.split("\t") for line in lines if "plan" in line]
    assert (line[2], line[6]) == ("plan", f"clean: made the plan {plan.id}")
