"""A server: what it tells of each run, and where its scripts are."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import pytest
from support.images import make_image, push
from support.serving import Heard, config_in, served, state_of

from regbot.errors import Conflict, NotFound, StateInUse, Stopped
from regbot.journal.opening import open_journal
from regbot.oci.reference import Reference
from regbot.run.bot import Options
from regbot.run.reloading import ConfigSource
from regbot.run.service import open_service
from regbot.run.service_events import ScriptRunEnded, ScriptRunStarted
from regbot.store.ocidir import OciDirStore

IDLE = "scripts: [{name: nightly, script: return, interval: 1h}]"
BUSY = "scripts: [{name: nightly, script: return, interval: 1s}]"


def layout(folder, *tags):
    name = f"ocidir://{folder / 'layout'}"
    store = OciDirStore(Reference.parse(name))
    for number, tag in enumerate(tags):
        push(store, make_image(labels={"n": str(number)}), tag)
    return name


def script(text, **more):
    return "scripts: " + json.dumps([{"name": "nightly", "script": text, **more}])


def test_each_run_is_told_and_is_in_the_journal_as_what_it_was(tmp_path):
    config = config_in(tmp_path, BUSY)
    with served(config) as (service, heard):
        run, *_ = heard.ended()
        assert service.journal is not None
        assert run in service.journal.script_runs.all()
    assert (run.script, run.kind, run.status, run.config) == (
        "nightly", "server", "done", "/etc/regbot.yml",
    )  # fmt: skip
    begun = [event.run.id for event in heard.of(ScriptRunStarted)]
    assert begun == [event.run.id for event in heard.of(ScriptRunEnded)]
    assert len(set(begun)) == len(begun)
    assert all(event.report is None for event in heard.of(ScriptRunEnded))


def test_a_script_that_was_never_run_has_its_next_run_alone(tmp_path):
    config = config_in(tmp_path, IDLE + "\n")
    asked = time.time()
    with served(config) as (service, _heard):
        (state,) = service.states()
    assert state.upcoming is not None
    assert state.upcoming.at.timestamp() > asked
    assert (state.running, state.is_waiting, state.last, state.last_success) == (
        (), False, None, None,
    )  # fmt: skip


def test_a_state_has_the_run_that_is_going_and_then_the_one_that_ended(tmp_path):
    config = config_in(tmp_path, script("while true do end", interval="1s", timeout="1s"))
    with served(config) as (service, heard):
        heard.until(lambda: heard.of(ScriptRunStarted))
        begun = heard.of(ScriptRunStarted)[0].run
        assert begun in (*state_of(service, "nightly").running, state_of(service, "nightly").last)
        failed, *_ = heard.ended(status="failed")
        assert failed.id == begun.id
        assert "timeout" in failed.error
        assert state_of(service, "nightly").last_success is None
    assert state_of(service, "nightly").running == ()


def test_the_next_server_knows_the_last_runs(tmp_path):
    with served(config_in(tmp_path, BUSY)) as (_, heard):
        well, *_ = heard.ended(status="done")
    failing = script("error('broken')", interval="1s")
    with served(config_in(tmp_path, failing)) as (_, heard):
        failed, *_ = heard.ended(status="failed")
    with served(config_in(tmp_path, IDLE)) as (service, _):
        state = state_of(service, "nightly")
    assert state.last is not None
    assert (state.last.status, state.last.started >= failed.started) == ("failed", True)
    assert state.last_success is not None
    assert state.last_success >= well.ended


def test_a_disabled_script_is_listed_and_never_due(tmp_path):
    text = """
        scripts:
          - {name: a, script: return, interval: 1h}
          - {name: b, script: return, interval: 1h, enabled: no}
    """
    with served(config_in(tmp_path, text)) as (service, _):
        states = service.states()
    assert [(state.script.name, state.upcoming is None) for state in states] == [
        ("a", False), ("b", True),
    ]  # fmt: skip


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_run_that_does_something_has_a_report_of_itself_alone(tmp_path, dry_run):
    repository = layout(tmp_path, "a", "b", "c")
    text = f"""
        local tags = tag.ls("{repository}")
        if #tags > 1 then tag.delete("{repository}:" .. tags[1]) end
    """
    config = config_in(tmp_path, script(text, interval="1s"))
    with served(config, dry_run=dry_run, with_reports=True) as (_, heard):
        heard.ended(3)
    assert [event.run.error for event in heard.of(ScriptRunEnded)] == ["", "", ""]
    reports = [event.report for event in heard.of(ScriptRunEnded)]
    expected = ["a", "a", "a"] if dry_run else ["a", "b", None]
    assert [report and report.rows[0].name for report in reports][:3] == expected
    (report, *_) = reports
    assert report is not None
    assert (report.kind, report.dry_run, len(report.rows)) == ("server", dry_run, 1)
    (line,) = report.repositories
    assert (line.tags_before, line.kept) == (3, 2)


def test_a_dry_run_has_runs_with_ids_and_no_journal(tmp_path):
    with served(config_in(tmp_path, BUSY), dry_run=True) as (service, heard):
        run, *_ = heard.ended()
        assert service.journal is None
    assert run.id
    assert not (tmp_path / "state").exists()


def test_another_server_is_refused_before_it_serves(tmp_path):
    config = config_in(tmp_path, IDLE)
    with served(config), pytest.raises(StateInUse), served(config):
        raise AssertionError("it was opened")


def test_a_killed_servers_run_is_interrupted_in_the_state_of_the_next(tmp_path):
    config = config_in(tmp_path, IDLE)
    with served(config_in(tmp_path, BUSY)) as (_, heard):
        run, *_ = heard.ended()
    with open_journal(tmp_path / "state") as journal:
        journal.script_runs.begin(
            replace(run, started=run.started + 1, ended=None, status="running")
        )
    with served(config) as (service, _):
        last = state_of(service, "nightly").last
    assert last is not None
    assert last.status == "interrupted"


def test_a_script_runs_when_somebody_asks_for_it(tmp_path):
    config = config_in(tmp_path, script("log('on')", interval="1h"))
    with served(config) as (service, heard):
        service.run_now("nightly")
        run, *_ = heard.ended(kind="asked")
    assert (run.script, run.status, run.due, run.schedule) == ("nightly", "done", None, "")


def test_what_was_asked_for_before_the_server_serves_begins_then(tmp_path):
    heard = Heard()
    config = config_in(tmp_path, IDLE)
    source = ConfigSource("", lambda: config)
    with open_service(config, Options(), source, heard) as service:
        service.run_now("nightly")
        assert state_of(service, "nightly").is_waiting
        thread = threading.Thread(target=service.serve)
        thread.start()
        heard.ended(kind="asked")
        service.stop.ask()
        thread.join()


def test_a_script_that_runs_gets_its_asked_run_when_it_has_ended(tmp_path):
    going = script("log('on') while true do end", interval="1h", timeout="1s")
    with served(config_in(tmp_path, going)) as (service, heard):
        service.run_now("nightly")
        heard.until(lambda: heard.of(ScriptRunStarted))
        service.run_now("nightly")
        service.run_now("nightly")
        first, second = heard.ended(2, kind="asked")[:2]
        assert second.started >= first.ended
        assert state_of(service, "nightly").running == ()
        assert not state_of(service, "nightly").is_waiting


def test_who_asks_for_what_cant_run_is_told_why(tmp_path):
    text = """
        scripts:
          - {name: a, script: return, interval: 1h}
          - {name: b, script: return, interval: 1h, enabled: no}
    """
    with served(config_in(tmp_path, text)) as (service, _):
        with pytest.raises(NotFound, match="there is no script 'c'"):
            service.run_now("c")
        with pytest.raises(Conflict, match="'b' is not enabled"):
            service.run_now("b")
    with pytest.raises(Stopped):
        service.run_now("a")
