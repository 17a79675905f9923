"""What servers and commands tell of their runs, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from regbot.config.load import load_config
from regbot.events import Hearing, InRun, RunEnded, RunResult, ScriptEnded, ScriptStarted, ignore
from regbot.journal.records import PlanRecord, ScriptRun
from regbot.notify.failing import FailingScripts
from regbot.notify.listening import OF_COMMANDS, OF_SERVERS, RunListener
from regbot.notify.making import Ways
from regbot.notify.notification import MOST_CHANGES
from regbot.oci.reference import Reference
from regbot.plan.action import DeleteTag
from regbot.plan.outcome import ActionDone, Outcome
from regbot.run.service_events import PlanLapsed, PlanWaits, ScriptRunEnded, ScriptRunStarted

RUN = "20261129-011530-a1b2"
PLAN = "20261129-011531-c3d4"
BEGUN = ScriptRun(RUN, "nightly", "server", "/etc/bot.yml", 1000.0)


class Told:
    """A listener, and the notifications that came of what it heard."""

    def __init__(self, *, in_server, url="", state=None, folder=None):
        text = f"defaults: {{{f'state: {state}' if state else ''}}}"
        config = load_config(text, filename="bot.yml", environ={}, base=Path("/srv"))
        failing = FailingScripts(folder, "/etc/bot.yml", ignore)
        self.all = []
        ways = Ways(config, "/etc/bot.yml", url)
        listener = RunListener(self.all.append, ways, failing, lambda: 2000.0)
        self.hear = Hearing(listener.hear, OF_SERVERS if in_server else OF_COMMANDS)

    def after(self, *events):
        """The notifications of these events alone."""
        before = len(self.all)
        for event in events:
            self.hear(event)
        return self.all[before:]


def deleted(
    tag="old", status="done", script="nightly", detail="", run=RUN, *, was_gone=False, **more
):
    reference = Reference.parse(f"registry.example.org/app:{tag}")
    action = DeleteTag(reference, reason="it is old")
    outcome = Outcome(script, action, status, detail=detail, was_gone=was_gone)
    return InRun(run, script, ActionDone(outcome, dry_run=status == "planned", **more))


def ended(status="done", **more):
    return ScriptRunEnded(replace(BEGUN, status=status, ended=1004.5, **more))


@pytest.fixture
def server():
    return Told(in_server=True)


def test_a_run_of_a_server_is_told_with_all_that_it_changed(server):
    start, end = server.after(ScriptRunStarted(BEGUN), deleted(), deleted("older"), ended())
    assert (start.what, start.script, start.run) == ("start", "nightly", RUN)
    assert (end.what, end.occasions) == ("changes", {"changes"})
    assert (end.script, end.command, end.run, end.status) == ("nightly", "server", RUN, "done")
    assert end.summary == "deleted 2 tags in 1 repository in 4.5s"
    assert [change.reference for change in end.changes] == [
        "registry.example.org/app:old",
        "registry.example.org/app:older",
    ]
    assert (end.counts, end.undo, end.link) == ({"done": 2}, f"regbot undo {RUN}", "")


def test_a_run_that_changed_nothing_is_told_so(server):
    (end,) = server.after(deleted(was_gone=True), deleted(status="unchanged"), ended())
    assert (end.what, end.occasions, end.changes, end.undo) == ("success", set(), (), "")
    assert end.summary.startswith("changed nothing in 4.5s")


def test_a_failure_tells_why_and_what_was_changed_before(server):
    events = [deleted(), deleted("b", "failed", detail="denied"), ended("failed", error="denied")]
    (end,) = server.after(*events)
    assert (end.what, end.occasions) == ("failure", {"failure", "changes"})
    assert end.error == "denied"
    assert [change.status for change in end.changes] == ["failed", "done"]


def test_only_the_run_after_a_failure_is_a_recovery(server):
    events = [ended("failed"), ended("stopped"), ended(), ended(), ended("failed"), ended()]
    whats = [notification.what for notification in server.after(*events)]
    assert whats == ["failure", "stopped", "recovery", "success", "failure", "recovery"]


def test_a_recovery_after_a_restart(tmp_path):
    folder = tmp_path / "state"
    (failure,) = Told(in_server=True, folder=folder).after(ended("failed"))
    (recovery,) = Told(in_server=False, folder=folder).after(
        InRun(RUN, "nightly", ScriptEnded(RunResult("nightly", "done", seconds=1.0)))
    )
    (success,) = Told(in_server=True, folder=folder).after(ended())
    assert (failure.what, recovery.what, success.what) == ("failure", "recovery", "success")


def test_where_the_state_cannot_be_used_runs_are_told_all_the_same(tmp_path):
    (tmp_path / "state").write_text("a file")
    told = Told(in_server=True, folder=tmp_path / "state")
    assert [each.what for each in told.after(ended("failed"), ended())] == ["failure", "recovery"]


def test_each_run_has_its_own_changes(server):
    other = replace(BEGUN, id="other", script="weekly", status="done", ended=1001.0)
    first, second = server.after(
        deleted("a"),
        deleted("b", script="weekly", run="other"),
        ScriptRunEnded(other),
        ended(),
    )
    assert [change.reference[-1] for change in first.changes] == ["b"]
    assert [change.reference[-1] for change in second.changes] == ["a"]


def test_a_run_that_is_not_on_record_has_its_changes_too(server):
    begun = replace(BEGUN, id="")
    (end,) = server.after(
        deleted(run="drawn"), ScriptRunEnded(replace(begun, status="done", ended=1001.0))
    )
    assert (len(end.changes), end.run, end.undo) == (1, "", "")


def test_the_page_of_a_run_is_linked_if_there_are_pages():
    told = Told(in_server=True, url="https://regbot.example.org")
    (end,) = told.after(ended())
    assert end.link == f"https://regbot.example.org/runs/{RUN}"


def test_a_command_names_the_config_where_it_sets_the_state():
    (end,) = Told(in_server=True, state="/state").after(deleted(), ended())
    assert end.undo == f"regbot undo {RUN} -c /etc/bot.yml"


def test_a_plan_that_waits_tells_what_it_would_change_and_how_to_approve_it():
    told = Told(in_server=True, url="https://regbot.example.org")
    plan = PlanRecord(PLAN, 1000.0, "/etc/bot.yml", "would delete 1 tag", "nightly")
    plan = replace(plan, state="waiting", lapses=90_000.0)
    run = replace(BEGUN, kind="plan", status="done", ended=1001.0, plan=PLAN)
    waits, end, lapsed = told.after(
        deleted(status="planned"), PlanWaits(plan), ScriptRunEnded(run), PlanLapsed(plan)
    )
    assert (waits.what, waits.occasions) == ("approval", {"approval", "changes"})
    assert waits.plan.approve == f"regbot approve {PLAN}"
    assert (waits.plan.id, waits.plan.lapses) == (PLAN, 90_000.0)
    assert waits.link == f"https://regbot.example.org/plans/{PLAN}"
    assert waits.summary == "would delete 1 tag"
    assert [change.reference for change in waits.changes] == ["registry.example.org/app:old"]
    assert (end.what, end.occasions) == ("success", set())
    assert end.summary == "would delete 1 tag in 1 repository"
    assert (lapsed.what, lapsed.occasions, lapsed.script) == ("lapsed", {"approval"}, "nightly")


def test_a_plan_that_could_not_be_made_lists_nothing_as_planned(server):
    run = replace(BEGUN, kind="plan", status="failed", ended=1001.0, error="guard")
    (end,) = server.after(deleted(status="planned"), ScriptRunEnded(run))
    assert (end.what, end.changes) == ("failure", ())


def test_a_plan_that_a_server_applied_is_of_its_scripts(server):
    run = replace(BEGUN, kind="apply", script="a, b", status="failed", ended=1001.0)
    events = [deleted(script="a"), deleted(script="b", status="failed"), ScriptRunEnded(run)]
    (end,) = server.after(*events)
    assert (end.what, end.command, end.scripts, end.script) == (
        "failure",
        "apply",
        ("a", "b"),
        "a, b",
    )
    (success,) = server.after(ended())
    assert success.what == "success"


def test_what_a_guard_is_to_judge_is_no_change(server):
    (end,) = server.after(deleted(is_trial=True), ended())
    assert end.changes == ()


def test_of_many_changes_the_first_are_listed(server):
    (end,) = server.after(*(deleted(f"t{n}") for n in range(MOST_CHANGES + 7)), ended())
    assert (len(end.changes), end.more) == (MOST_CHANGES, 7)


def test_once_tells_each_script_and_nothing_else():
    told = Told(in_server=False)
    start, good, bad = told.after(
        InRun(RUN, "nightly", ScriptStarted("nightly")),
        deleted(),
        deleted(script="weekly"),
        InRun(RUN, "nightly", ScriptEnded(RunResult("nightly", "done", seconds=2.0))),
        InRun(RUN, "weekly", ScriptEnded(RunResult("weekly", "failed", "denied", 3.0))),
        InRun(RUN, "", RunEnded("once", "failed", 5.0, RUN)),
    )
    assert (start.what, start.scripts, start.command) == ("start", ("nightly",), "once")
    assert (good.what, good.run, good.summary) == (
        "changes",
        RUN,
        "deleted 1 tag in 1 repository in 2s",
    )
    assert (bad.what, bad.error, bad.occasions) == ("failure", "denied", {"failure", "changes"})
    assert (good.command, good.undo) == ("once", f"regbot undo {RUN}")


def test_apply_is_told_as_a_whole():
    told = Told(in_server=False)
    (end,) = told.after(
        deleted(script="a"),
        deleted(script="b", status="failed", detail="denied"),
        InRun(RUN, "a, b", RunEnded("apply", "failed", 5.0, RUN)),
    )
    assert (end.what, end.scripts, end.error) == ("failure", ("a", "b"), "denied")
    assert end.undo == f"regbot undo {RUN}"


def test_a_server_does_not_tell_its_runs_twice(server):
    events = [
        InRun(RUN, "nightly", ScriptStarted("nightly")),
        InRun(RUN, "nightly", ScriptEnded(RunResult("nightly", "done", seconds=1.0))),
        InRun(RUN, "nightly", RunEnded("apply", "done", 1.0, RUN)),
    ]
    assert server.after(*events) == []


def test_hostile_texts_become_one_harmless_line(server):
    error = "a\nb\x1b[2J \u202ec @everyone <!channel> <@U1> @Here " + "x" * 5000
    run = replace(BEGUN, script="night\x00ly @all", status="failed", ended=1001.0, error=error)
    (end,) = server.after(ScriptRunEnded(run))
    assert end.script == r"night\x00ly @ all"
    assert end.error.startswith(r"a\nb\x1b[2J \u202ec @ everyone < !channel> < @U1> @ Here")
    assert len(end.error) == 1000
    assert end.scripts == (run.script,)
