"""A journal in a database does what one in a folder does; several processes work with it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from urllib.parse import urlsplit

import psycopg
import pytest
from support.journals import CONFIG, PLACE, begin, end, note, small

from regbot.errors import AttemptEnded, Conflict, StorageError
from regbot.journal.opening import open_journal
from regbot.journal.place import DatabaseUrl
from regbot.journal.records import ScriptRun
from regbot.journal.shared import SharedState
from regbot.plan.action import DeleteTag

DAY = 86400.0


def lapse(journal):
    """Let all leases end, as the database knows them."""
    journal.database.run("UPDATE worker SET until = 0")


@pytest.fixture
def url(database_url):
    return DatabaseUrl.parse(database_url)


def status_of(url):
    with open_journal(url) as journal:
        (run,) = journal.runs()
        return run.status


def test_what_a_run_deleted_is_known_to_all(url):
    with open_journal(url) as journal:
        run = begin(journal)
        entry = note(run, "clean-up", DeleteTag(PLACE), small(1))
        assert status_of(url) == "running"
        end(run, entry, "done")
        run.finish("done")
    assert status_of(url) == "done"
    with open_journal(url) as journal:
        (action,) = journal.actions(run.id)
        assert action.reference == PLACE
        assert [journal.manifest(saved) for saved in action.manifests] == list(small(1).manifests)


def test_a_run_that_was_left_is_interrupted(url):
    journal = open_journal(url)
    note(begin(journal), "clean-up", DeleteTag(PLACE), small(1))
    journal.close()
    assert status_of(url) == "interrupted"


def test_what_old_runs_needed_goes_with_them_and_no_more(url):
    with open_journal(url) as journal, open_journal(url) as other:
        going = begin(journal)
        note(going, "clean-up", DeleteTag(PLACE), small(1))
        left = begin(other)
        note(left, "clean-up", DeleteTag(PLACE), small(1))
        note(left, "clean-up", DeleteTag(PLACE), small(2))
        (saved,) = other.actions(left.id)[1].manifests
        other.close()
        forgotten = journal.forget(CONFIG, -DAY)
        assert (forgotten.runs, forgotten.manifests) == (1, 1)
        assert [run.id for run in journal.runs()] == [going.id]
        assert journal.manifest(journal.actions(going.id)[0].manifests[0])
        with pytest.raises(StorageError, match="is gone"):
            journal.manifest(saved)


def test_of_several_processes_one_applies_a_plan_until_it_is_gone(url):
    with open_journal(url) as journal, open_journal(url) as other:
        plan = journal.keep_plan(b"a plan", made=1.0, config="", summary="", approve_within=1e12)
        begun = journal.begin_plan(journal.approve_plan(plan.id))
        with pytest.raises(Conflict, match="is being applied"):
            other.begin_plan(begun)
        journal.close()
        assert other.plan(plan.id).state == "failed"
        assert other.begin_plan(other.plan(plan.id)).state == "applying"


def test_who_lost_its_lease_writes_nothing_more(url):
    with open_journal(url) as journal:
        run = begin(journal)
        entry = note(run, "clean-up", DeleteTag(PLACE), small(1))
        lapse(journal)
        with pytest.raises(AttemptEnded, match="its lease is over"):
            note(run, "clean-up", DeleteTag(PLACE), small(2))
        assert [action.id for action in journal.actions(run.id)] == [entry]


def test_who_lost_its_lease_leaves_the_plan_to_who_has_it_now(url):
    with open_journal(url) as journal, open_journal(url) as other:
        plan = journal.keep_plan(b"a plan", made=1.0, config="", summary="", approve_within=1e12)
        begun = journal.begin_plan(journal.approve_plan(plan.id))
        lapse(journal)
        taken_over = other.begin_plan(other.plan(plan.id))
        journal.end_plan(begun, "failed")
        assert other.plan(plan.id).state == "applying"
        other.end_plan(taken_over, "applied")
        assert journal.plan(plan.id).state == "applied"


def test_of_two_that_follow_a_run_one_says_how_it_ended(url):
    with open_journal(url) as journal, open_journal(url) as other:
        run = journal.script_runs.begin(ScriptRun("", "clean", "server", "/bot.yml", 1.0))
        lapse(journal)
        other.script_runs.hold(run.id)
        assert not journal.script_runs.end(replace(run, status="failed"))
        assert other.script_runs.find(run.id).status == "running"
        assert other.script_runs.end(replace(run, status="done"))
        assert not journal.script_runs.end(replace(run, status="failed"))
        assert journal.script_runs.find(run.id).status == "done"


def test_who_lost_its_lease_ends_a_run_that_nobody_took(url):
    with open_journal(url) as journal:
        run = journal.script_runs.begin(ScriptRun("", "clean", "server", "/bot.yml", 1.0))
        lapse(journal)
        assert journal.script_runs.end(replace(run, status="done"))
        assert journal.script_runs.find(run.id).status == "done"


def test_servers_of_a_config_are_known(url):
    with open_journal(url) as journal, open_journal(url) as other:
        assert not other.has_server("/a.yml")
        for server in (journal, other, journal):
            server.be_server("/a.yml")
        assert other.has_server("/a.yml")
        assert not other.has_server("/b.yml")
        journal.close()
        other.be_server("/a.yml")
        assert other.has_server("/a.yml")


def test_a_process_opens_a_state_once(url):
    with closing(SharedState(url)) as shared, open_journal(url) as other:
        assert shared.journal is shared.journal
        run = begin(shared.journal)
        note(run, "clean-up", DeleteTag(PLACE), small(1))
        lease = shared.leases.lease()
        assert other.database.rows("SELECT id FROM worker") == [(lease.worker,)]


def test_who_owns_the_schema_needs_no_other_right(database_url):
    """As docs/state.md says."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS plain")
        owner.execute("CREATE ROLE plain LOGIN PASSWORD 'plain'")
        owner.execute("CREATE SCHEMA regbot AUTHORIZATION plain")
    address = urlsplit(database_url).netloc.rpartition("@")[2]
    plain = DatabaseUrl.parse(f"postgresql://plain:plain@{address}{urlsplit(database_url).path}")
    with open_journal(plain) as journal:
        run = begin(journal)
        end(run, note(run, "clean-up", DeleteTag(PLACE), small(1)), "done")
        run.finish("done")
    assert status_of(plain) == "done"
