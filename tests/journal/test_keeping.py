"""How long what is on record is kept: by its own config, whatever others in the state say."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from support.journals import PLACE, begin, note, small

from regbot.journal.history import STEPS
from regbot.journal.journal import Journal
from regbot.journal.keeping import KEEPING
from regbot.journal.opening import open_journal
from regbot.journal.records import ScriptRun
from regbot.plan.action import DeleteTag

NOW = 1_795_456_501.0  # 2026-11-23T17:55:01Z
DAY = 86400.0
LONG, SHORT = "/long.yml", "/short.yml"


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(state, clock: Clock) -> Iterator[Journal]:
    with open_journal(state, clock=clock) as journal:
        yield journal


def deleted(journal: Journal, config: str, keep: float | None, number: int) -> str:
    """A run of a config that deleted something."""
    run = begin(journal, config, keep)
    note(run, "clean-up", DeleteTag(PLACE), small(number))
    run.finish("done")
    return run.id


def configs(journal: Journal) -> list[str]:
    """The configs that have a run, and all that its undo needs, the newest first."""
    runs = journal.runs()
    for run in runs:
        assert [journal.manifest(each) for each in journal.actions(run.id)[0].manifests]
    return [run.config for run in runs]


def test_a_config_takes_nothing_away_that_another_one_keeps(journal, clock):
    deleted(journal, LONG, 90 * DAY, 1)
    clock.now += DAY
    deleted(journal, SHORT, 7 * DAY, 2)
    clock.now += 30 * DAY
    forgotten = journal.forget(SHORT, 7 * DAY)
    assert (forgotten.runs, forgotten.manifests) == (1, 1)
    assert configs(journal) == [LONG]
    clock.now += 60 * DAY
    assert journal.forget(SHORT, 7 * DAY).runs == 1
    assert configs(journal) == []


def test_what_a_config_keeps_for_longer_now_is_kept_for_longer(journal, clock):
    deleted(journal, LONG, 7 * DAY, 1)
    clock.now += 30 * DAY
    assert journal.forget(LONG, 90 * DAY).runs == 0
    assert journal.forget(SHORT, 7 * DAY).runs == 0
    assert configs(journal) == [LONG]


def test_what_was_to_be_kept_for_longer_is_not_removed_sooner(journal, clock):
    """Another machine may have another config at the same path."""
    deleted(journal, LONG, 90 * DAY, 1)
    clock.now += 30 * DAY
    assert journal.forget(LONG, 7 * DAY).runs == 0
    deleted(journal, LONG, 7 * DAY, 2)
    clock.now += 8 * DAY
    assert journal.forget(LONG, 7 * DAY).runs == 1
    assert configs(journal) == [LONG]


def test_plans_and_runs_of_scripts_are_kept_by_their_configs_too(journal, clock):
    for config, keep in ((LONG, 90 * DAY), (SHORT, 7 * DAY)):
        journal.keep_plan(b"{}", made=NOW, config=config, summary="", keep=keep)
        run = journal.script_runs.begin(ScriptRun("", "clean", "server", config, NOW, keep=keep))
        journal.script_runs.end(run)
    clock.now += 30 * DAY
    assert [plan.config for plan in journal.plans() if not plan.is_too_old(clock.now)] == [LONG]
    journal.forget(SHORT, 7 * DAY)
    assert [plan.config for plan in journal.plans()] == [LONG]
    assert [run.config for run in journal.script_runs.all()] == [LONG]


def test_what_an_earlier_regbot_noted_stays_until_its_config_is_used(tmp_path, clock):
    history = tmp_path / "history.sqlite"
    with closing(sqlite3.connect(history, isolation_level=None)) as old:
        for statement in [each for step in STEPS if step is not KEEPING for each in step]:
            old.execute(statement)
        old.execute(f"PRAGMA user_version = {STEPS.index(KEEPING)}")
        for config in (LONG, SHORT):
            old.execute(
                "INSERT INTO run VALUES (?, 'once', ?, '', ?, ?, 'failed')",
                (config, config, NOW, NOW),
            )
    with open_journal(tmp_path, clock=clock) as journal:
        clock.now += 30 * DAY
        journal.forget(SHORT, 7 * DAY)
        assert [run.config for run in journal.runs()] == [LONG]
        clock.now += 30 * DAY
        journal.forget(LONG, 90 * DAY)
        journal.forget(SHORT, 7 * DAY)
        assert [run.config for run in journal.runs()] == [LONG]
        clock.now += 31 * DAY
        journal.forget(SHORT, 7 * DAY)
        assert journal.runs() == []
