"""Plans in the journal: which may be approved and applied, and by whom."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from regbot.errors import Conflict, NotFound, StorageError
from regbot.journal.opening import open_journal
from regbot.journal.records import PlanRecord

NOW = 1_795_456_501.0  # 2026-11-23T17:55:01Z
CONFIG = "/regbot.yml"


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def journal(state, clock):
    with open_journal(state, clock=clock) as journal:
        yield journal


def keep(journal, approve_within=60.0) -> PlanRecord:
    return journal.keep_plan(
        b"{}",
        made=NOW,
        config=CONFIG,
        summary="1 delete",
        script="nightly",
        approve_within=approve_within,
    )


def state(journal, plan):
    return journal.plan(plan.id).state


def test_a_plan_waits_is_approved_and_is_applied_once(journal):
    plan = keep(journal)
    assert (plan.script, plan.state, plan.lapses) == ("nightly", "waiting", NOW + 60)
    assert journal.plans() == [plan]
    approved = journal.approve_plan(plan.id[:-1])
    assert approved.state == "approved"
    assert journal.plans_in("approved", CONFIG) == [approved]
    assert journal.plans_in("approved", "/other.yml") == []
    with pytest.raises(Conflict, match="is approved already"):
        journal.approve_plan(plan.id)
    begun = journal.begin_plan(plan)
    with pytest.raises(Conflict, match="is being applied"):
        journal.begin_plan(plan)
    journal.end_plan(begun, "applied")
    for change in (journal.begin_plan, lambda plan: journal.approve_plan(plan.id)):
        with pytest.raises(Conflict, match="was applied already"):
            change(plan)


def test_of_many_that_apply_a_plan_at_once_one_does(state):
    with open_journal(state, clock=Clock()) as journal:
        plan = keep(journal)

    def begin(_number):
        with open_journal(state, clock=Clock(), patience=60) as journal:
            try:
                journal.end_plan(journal.begin_plan(plan), "applied")
            except Conflict:
                return False
            return True

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(begin, range(16))) == [False] * 15 + [True]


def test_a_plan_that_nobody_approved_in_time_can_be_neither_approved_nor_applied(journal, clock):
    plan = keep(journal)
    clock.now = NOW + 60
    for change in (journal.begin_plan, lambda plan: journal.approve_plan(plan.id)):
        with pytest.raises(Conflict, match="has lapsed"):
            change(plan)
    assert journal.lapse_plan(plan)
    assert not journal.lapse_plan(plan)
    assert state(journal, plan) == "lapsed"


def test_a_plan_that_was_approved_in_time_can_be_applied_later(journal, clock):
    plan = journal.approve_plan(keep(journal).id)
    clock.now = NOW + 60
    assert journal.begin_plan(plan).state == "applying"


def test_what_failed_can_be_applied_again_until_it_lapses(journal, clock):
    plan = keep(journal)
    journal.end_plan(journal.begin_plan(plan), "failed")
    with pytest.raises(Conflict, match="not all of it succeeded"):
        journal.approve_plan(plan.id)
    journal.end_plan(journal.begin_plan(plan), "failed")
    clock.now = NOW + 60
    with pytest.raises(Conflict, match="has lapsed"):
        journal.begin_plan(plan)


def test_a_plan_whose_process_is_gone_has_failed(tmp_path, clock):
    with open_journal(tmp_path, clock=clock) as journal:
        plan = keep(journal)
        with open_journal(tmp_path, clock=clock) as killed:
            killed.begin_plan(plan)
            assert state(journal, plan) == "applying"
        assert state(journal, plan) == "failed"
        journal.end_plan(journal.begin_plan(plan), "applied")
        assert state(journal, plan) == "applied"
    assert list((tmp_path / "running").iterdir()) == []


def test_a_plan_that_needs_no_approval_is_applied_any_number_of_times(journal):
    plan = keep(journal, None)
    assert (plan.state, plan.lapses) == ("", None)
    with pytest.raises(Conflict, match="needs no approval"):
        journal.approve_plan(plan.id)
    for _ in range(2):
        journal.end_plan(journal.begin_plan(plan), "applied")
    assert state(journal, plan) == ""


def test_a_plan_that_is_gone_is_not_there(journal):
    with pytest.raises(NotFound):
        journal.approve_plan("2026")


def test_a_plan_with_a_state_of_no_meaning_is_damaged(tmp_path, journal):
    keep(journal)
    journal.database.run("UPDATE plan SET state = 'odd'")
    with pytest.raises(StorageError, match="is damaged"):
        journal.plans()


PLANS_OF_1 = """
CREATE TABLE run (id TEXT PRIMARY KEY, kind TEXT NOT NULL, config TEXT NOT NULL,
    fingerprint TEXT NOT NULL, started REAL NOT NULL, ended REAL, status TEXT NOT NULL);
CREATE TABLE action (id INTEGER PRIMARY KEY, run TEXT NOT NULL, status TEXT NOT NULL,
    detail TEXT NOT NULL);
CREATE TABLE plan (
    id TEXT PRIMARY KEY, made REAL NOT NULL, config TEXT NOT NULL, summary TEXT NOT NULL,
    content BLOB NOT NULL);
INSERT INTO plan VALUES ('20261123-175501-aaaa', 1795456501.0, '/regbot.yml', '1 delete', x'00');
CREATE TABLE script_run (
    id TEXT PRIMARY KEY, script TEXT NOT NULL, kind TEXT NOT NULL, config TEXT NOT NULL,
    started REAL NOT NULL, schedule TEXT NOT NULL, due REAL, ended REAL,
    status TEXT NOT NULL, error TEXT NOT NULL, guarded INTEGER NOT NULL, counts TEXT NOT NULL);
CREATE INDEX script_run_by_script ON script_run(config, script, started);
INSERT INTO script_run VALUES ('20261123-175502-bbbb', 'nightly', 'server', '/regbot.yml',
    1795456502.0, '@hourly', 1795456502.0, 1795456503.0, 'done', '', 0, '{"done": 2}');
PRAGMA user_version = 1;
"""
"""Tables as they were before plans had a state."""


def test_plans_and_runs_of_the_first_version_are_taken_over(tmp_path):
    with closing(sqlite3.connect(tmp_path / "history.sqlite")) as old:
        old.executescript(PLANS_OF_1)
    for _ in range(2):
        with open_journal(tmp_path) as journal:
            (plan,) = journal.plans()
            assert plan == PlanRecord("20261123-175501-aaaa", NOW, CONFIG, "1 delete")
            (run,) = journal.script_runs.all()
            assert (run.status, run.counts, run.plan, run.freeable) == (
                "done",
                {"done": 2},
                "",
                None,
            )
            assert keep(journal, None).state == ""
        with closing(sqlite3.connect(tmp_path / "history.sqlite")) as other, other:
            other.execute("DELETE FROM plan WHERE script = 'nightly'")


def test_many_processes_take_over_an_old_file_at_once(tmp_path):
    with closing(sqlite3.connect(tmp_path / "history.sqlite")) as old:
        old.executescript(PLANS_OF_1)

    def look(_number):
        with open_journal(tmp_path, patience=60) as journal:
            return journal.plans()[0].state

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(look, range(16))) == [""] * 16


def test_a_plan_is_not_forgotten_before_it_lapses(journal, clock):
    waiting, approved = keep(journal, approve_within=3600), keep(journal, approve_within=3600)
    journal.approve_plan(approved.id)
    keep(journal, approve_within=None)
    clock.now += 3000
    journal.forget_plans(CONFIG, 60)
    assert {plan.id for plan in journal.plans()} == {waiting.id, approved.id}
    assert journal.approve_plan(waiting.id).state == "approved"
    clock.now += 700
    journal.forget_plans(CONFIG, 60)
    assert journal.plans() == []
