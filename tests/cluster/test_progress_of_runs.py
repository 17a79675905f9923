"""How far runs are that workers share, as it is read from their database."""

from __future__ import annotations

import pytest
from support.sharedunits import CONFIG, shared_units


@pytest.fixture(params=["file", "server"])
def shared(request, tmp_path):
    is_file = request.param == "file"
    where = tmp_path / "units.sqlite" if is_file else request.getfixturevalue("database_url")
    shared = shared_units(where)
    yield shared
    shared.database.close()


def test_a_run_is_counted_by_the_states_of_its_units(shared):
    done, failed, running, _ = shared.hand_out("r1", "app", "api", "web", "db")
    shared.hand_out("r2", "app", script="sweep", kind="plan")
    shared.end(done)
    shared.end(failed, "failed", "it broke")
    shared.take(running)
    first, second = shared.units.progress.going()
    assert (first.run, first.kind, first.scripts) == ("r1", "once", ("clean",))
    assert first.counts == {"waiting": 1, "running": 1, "done": 1, "failed": 1, "stopped": 0}
    assert (second.run, second.kind, second.scripts) == ("r2", "plan", ("sweep",))
    assert (second.status, second.ended) == ("", None)
    assert first.made <= second.made


def test_a_run_that_has_ended_goes_on_no_more_and_can_still_be_seen(shared):
    shared.hand_out("r1", "app", "api")
    shared.units.cancel("r1")
    assert shared.units.progress.going() == []
    run = shared.units.progress.of("r1")
    assert (run.status, run.counts["stopped"]) == ("stopped", 2)
    assert run.ended >= run.made
    assert shared.units.progress.of("r2") is None


def test_a_run_without_units_ends_at_once(shared):
    shared.hand_out("r1")
    run = shared.units.progress.of("r1")
    assert (run.status, run.scripts, set(run.counts.values())) == ("done", (), {0})


def test_units_that_want_to_be_looked_at_come_first(shared):
    done, running, _, failed = shared.hand_out("r1", "a", "b", "c", "d")
    shared.end(done)
    shared.take(running, "host2")
    shared.end(failed, "failed", "it broke")
    records = shared.units.progress.first_of("r1", 10)
    assert [record.state for record in records] == ["failed", "running", "waiting", "done"]
    assert [record.repository for record in records] == ["d", "b", "c", "a"]
    assert (records[0].error, records[1].worker, records[1].attempt) == ("it broke", "host2", 1)
    assert [record.id for record in shared.units.progress.first_of("r1", 1)] == [failed]
    in_order = [record.repository for record in shared.units.progress.records("r1")]
    assert in_order == ["a", "b", "c", "d"]


def test_what_is_being_done_is_told_with_its_worker(shared):
    first, second = shared.hand_out("r1", "app", "api")
    shared.hand_out("r2", "web")
    assert shared.units.progress.being_done(10) == []
    shared.take(second, "host2")
    shared.take(first, "host1")
    shared.database.run("UPDATE unit SET begun = begun - 60 WHERE id = ?", (second,))
    records = shared.units.progress.being_done(10)
    assert [(record.repository, record.worker) for record in records] == [
        ("api", "host2"),
        ("app", "host1"),
    ]
    assert len(shared.units.progress.being_done(1)) == 1


def test_the_queue_of_a_config_has_no_units_of_another(shared):
    done, running, _ = shared.hand_out("r1", "app", "api", "web")
    shared.hand_out("r2", "app", fingerprint="another")
    shared.end(done)
    shared.take(running)
    assert shared.units.progress.counts(CONFIG) == {"waiting": 1, "running": 1}
    assert shared.units.progress.counts("another") == {"waiting": 1, "running": 0}
    assert shared.units.progress.counts("nobody's") == {"waiting": 0, "running": 0}
