"""The runs of scripts in the journal: what each was, which are kept, and when one was due."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest

from regbot.errors import StateInUse, StorageError
from regbot.journal.opening import open_journal
from regbot.journal.records import ScriptRun
from regbot.journal.serverlock import has_server, only_server

NOW = 1_795_456_501.0  # 2026-11-23T17:55:01Z
NIGHTLY = ScriptRun("", "nightly", "server", "/regbot.yml", NOW, "30 2 * * *", NOW - 1)


def test_a_run_that_changed_nothing_is_kept_as_what_it_was(tmp_path):
    with open_journal(tmp_path) as journal:
        run = journal.script_runs.begin(NIGHTLY)
        assert journal.script_runs.all() == [run]
        assert run.status == "running"
        ended = replace(
            run, ended=NOW + 2, status="failed", error="no luck", guarded=True, counts={"done": 3}
        )
        journal.script_runs.end(ended)
        assert journal.script_runs.all() == [ended]
        assert journal.runs() == []


def test_a_run_whose_process_is_gone_is_interrupted(tmp_path):
    journal = open_journal(tmp_path)
    journal.script_runs.begin(NIGHTLY)
    with open_journal(tmp_path) as other:
        assert [run.status for run in other.script_runs.all()] == ["running"]
        journal.close()
        assert [run.status for run in other.script_runs.all()] == ["interrupted"]


def test_the_end_of_a_run_is_written_in_the_transaction_that_claims_it(state):
    with open_journal(state) as journal:
        run = journal.script_runs.begin(NIGHTLY)
        with suppress(StorageError), journal.database.writing():
            journal.script_runs.end(replace(run, status="done"))
            raise StorageError("the transaction fails")
        assert journal.script_runs.find(run.id).status != "done"


def test_the_newest_500_runs_of_a_script_are_kept(state):
    with open_journal(state) as journal:
        journal.script_runs.begin(replace(NIGHTLY, script="rare", started=NOW - 9999))
        for number in range(502):
            journal.script_runs.end(
                journal.script_runs.begin(replace(NIGHTLY, started=NOW + number))
            )
        runs = journal.script_runs.all()
    assert [run.started for run in runs if run.script == "nightly"] == [
        NOW + number for number in reversed(range(2, 502))
    ]
    assert [run.script for run in runs[500:]] == ["rare"]


def test_old_runs_are_forgotten_but_not_one_that_goes_on(state):
    with open_journal(state, clock=lambda: NOW) as journal:
        old = journal.script_runs.begin(replace(NIGHTLY, started=NOW - 100))
        journal.script_runs.end(replace(old, status="done"))
        going = journal.script_runs.begin(replace(NIGHTLY, script="long", started=NOW - 100))
        new = journal.script_runs.begin(replace(NIGHTLY, started=NOW - 10))
        journal.forget("/regbot.yml", 50)
        assert [run.id for run in journal.script_runs.all()] == [new.id, going.id]


def test_the_last_due_time_is_that_of_a_config_and_a_schedule(state):
    with open_journal(state) as journal:
        assert journal.script_runs.last_due("/regbot.yml") == {}
        for run in (
            replace(NIGHTLY, due=NOW - 86400),
            NIGHTLY,
            replace(NIGHTLY, schedule="0 4 * * *", due=NOW - 7),
            replace(NIGHTLY, config="/other.yml", due=NOW + 5),
            replace(NIGHTLY, kind="once", due=None),
        ):
            journal.script_runs.end(journal.script_runs.begin(run))
        assert journal.script_runs.last_due("/regbot.yml") == {
            ("nightly", "30 2 * * *"): NOW - 1,
            ("nightly", "0 4 * * *"): NOW - 7,
        }


def test_a_text_that_is_no_utf8_can_be_kept(state):
    with open_journal(state) as journal:
        run = journal.script_runs.begin(replace(NIGHTLY, script="a\udcff"))
        journal.script_runs.end(replace(run, status="failed", error="\udcff"))
        (kept,) = journal.script_runs.all()
        assert (kept.script, kept.error) == ("a\\udcff", "\\udcff")


def test_one_server_at_a_time(tmp_path):
    with only_server(tmp_path / "state"):
        with (
            pytest.raises(StateInUse, match="another regbot server"),
            only_server(tmp_path / "state"),
        ):
            pass
        with only_server(tmp_path / "other"):
            pass
    with only_server(tmp_path / "state"):
        pass


def test_a_lock_that_is_let_go_in_a_moment_keeps_no_server_away(tmp_path):
    with ExitStack() as killed:
        killed.enter_context(only_server(tmp_path))
        with (
            only_server(tmp_path, sleep=lambda _seconds: killed.close()),
            open_journal(tmp_path) as journal,
        ):
            assert has_server(journal, "")
