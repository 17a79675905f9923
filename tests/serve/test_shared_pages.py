"""Runs that workers share, on the pages of a server."""

from __future__ import annotations

import re

import pytest
from support.configs import load
from support.reports import BIDI, HOSTILE
from support.sharedunits import shared_units
from support.sites import FakeService, listening

from regbot.journal.opening import open_journal
from regbot.journal.records import ScriptRun
from regbot.run.service_events import ScriptRunStarted

TOKEN = "sesame-sesame-sesame"
RUN = "20261123-175501-ab12"


@pytest.fixture
def shared(tmp_path):
    shared = shared_units(tmp_path / "units.sqlite")
    yield shared
    shared.database.close()


def text_of(answer):
    """What a page says, without its marks."""
    return " ".join(re.sub(r"<[^>]*>", " ", answer.text).split())


def page(path, shared, service=None):
    units = shared.units if shared else None
    with listening(service or FakeService(), units=units) as place:
        return place.get(path, headers={"Accept": "text/html"})


def test_the_first_page_says_what_waits_and_what_runs_where(shared):
    done, failed, running, _ = shared.hand_out(RUN, "app", "api", "web", "db")
    shared.end(done)
    shared.end(failed, "failed", "it broke")
    shared.take(running, "machine-7")
    answer = page("/", shared)
    text = text_of(answer)
    assert "Runs that workers share run began waiting running done failed clean" in text
    assert re.search(r"just now 1 1 1 1 The figures are units", text)
    assert re.search(r"What runs where .* clean repository web machine-7 1 ", text)
    assert f'<a href="/runs/{RUN}">clean</a>' in answer.text
    assert 'data-every="5"' in answer.text


def test_a_run_that_this_server_handed_out_is_told_once(shared):
    here = ScriptRun(RUN, "clean", "server", "/etc/regbot/regbot.yml", 1.0)
    with listening(FakeService(), units=shared.units) as place:
        place.site.live.listen(ScriptRunStarted(here))
        assert "Running now" in place.get("/").text
        shared.hand_out(RUN, "app", kind="server")
        assert "Running now" not in place.get("/").text


def test_where_nothing_is_shared_the_first_page_says_so(shared):
    shared.hand_out(RUN, "app")
    shared.units.cancel(RUN)
    text = text_of(page("/", shared))
    assert "Runs that workers share No run is being done by workers." in text
    assert "What runs where" not in text


def test_where_the_state_is_a_folder_no_page_names_workers_or_units(tmp_path):
    with open_journal(tmp_path) as journal:
        run = journal.script_runs.begin(ScriptRun("", "clean", "server", "", 1.0))
        for path in ("/", f"/runs/{run.id}"):
            answer = page(path, None, FakeService(journal=journal))
            assert answer.status_code == 200
            assert "data-every" not in answer.text
            assert not re.search(r"\b(workers?|units?|cancel)\b", text_of(answer), re.IGNORECASE)


def test_a_run_says_where_each_unit_is_and_why_one_failed(shared):
    done, failed, running, _ = shared.hand_out(RUN, "app", "api", "web", "db")
    shared.end(done)
    again = shared.take(failed)
    shared.units.put_back(again, "the first time", after=0.0)
    shared.end(failed, "failed", "/etc/regbot/clean.lua:3: boom")
    shared.take(running, "machine-7")
    answer = page(f"/runs/{RUN}", shared)
    text = text_of(answer)
    assert "<h1>once</h1>" in answer.text
    assert "running began" in text
    assert "waiting 1 running 1 done 1 failed 1 stopped 0" in text
    assert "unit state attempt worker took error repository api failed 2 host1" in text
    assert ".../clean.lua:3: boom" in text
    assert "repository web running 1 machine-7 repository db waiting repository app done" in text
    assert "data-live" in answer.text


def test_a_run_of_several_scripts_names_that_of_each_unit(shared):
    shared.hand_out(RUN, "app")
    shared.database.run(
        "INSERT INTO unit SELECT 'x', run, 9, 'sweep', kind, repository, content, state, attempt,"
        " failures, worker, ready, begun, ended, error, result FROM unit"
    )
    text = text_of(page(f"/runs/{RUN}", shared))
    assert "unit script state" in text
    assert "repository app clean waiting" in text
    assert "repository app sweep waiting" in text


def test_of_many_units_those_that_failed_are_shown(shared):
    *_, last = shared.hand_out(RUN, *(f"app{number}" for number in range(150)))
    shared.end(last, "failed", "it broke")
    text = text_of(page(f"/runs/{RUN}", shared))
    assert "repository app149 failed" in text
    assert f"50 more are not shown here. This shows all: regbot units {RUN}" in text


def test_a_run_that_has_ended_says_how_and_can_not_be_ended(shared):
    (unit,) = shared.hand_out(RUN, "app")
    shared.end(unit)
    service = FakeService(load(f"server: {{token: {TOKEN}}}"))
    answer = page(f"/runs/{RUN}", shared, service)
    assert "Result done" in text_of(answer)
    assert "<form" not in answer.text
    assert "data-live" not in answer.text


def test_a_run_can_be_ended_on_its_page(shared):
    running, _ = shared.hand_out(RUN, "app", "api")
    shared.take(running)
    service = FakeService(load(f"server: {{token: {TOKEN}}}"))
    with listening(service, units=shared.units) as place:
        shown = place.get(f"/runs/{RUN}").text
        (action,) = re.findall(r'<form [^>]*action="([^"]+)"', shown)
        assert f"regbot cancel {RUN}" in shown
        answer = place.get(
            action,
            "POST",
            data={"token": TOKEN},
            headers={"Accept": "text/html"},
            allow_redirects=False,
        )
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/runs/{RUN}")
        text = text_of(place.get(f"/runs/{RUN}"))
    assert "Result stopped" in text
    assert "waiting 0 running 0 done 0 failed 0 stopped 2" in text
    assert text.count("its run was cancelled") == 2
    assert shared.units.progress.of(RUN).status == "stopped"


def test_without_a_token_a_run_is_ended_by_command_alone(shared):
    shared.hand_out(RUN, "app")
    answer = page(f"/runs/{RUN}", shared)
    assert "<form" not in answer.text
    assert f"regbot cancel {RUN}" in answer.text
    assert "the config has no token" in answer.text


def test_a_run_goes_on_though_the_server_that_handed_it_out_is_gone(shared, tmp_path):
    with open_journal(tmp_path / "state") as gone:
        run = gone.script_runs.begin(ScriptRun("", "clean", "server", "", 1.0))
    with open_journal(tmp_path / "state") as journal:
        service = FakeService(journal=journal)
        assert "Result interrupted" in text_of(page(f"/runs/{run.id}", shared, service))
        shared.hand_out(run.id, "app", kind="server")
        text = text_of(page(f"/runs/{run.id}", shared, service))
        assert "Result running" in text
        assert "Its lines are on the page of the server that follows it" in text
        shared.units.cancel(run.id)
        text = text_of(page(f"/runs/{run.id}", shared, service))
        assert "No log lines of this run are kept." in text


def test_a_run_that_nobody_handed_out_is_not_there(shared):
    assert page("/runs/20000101-000000-0000", shared).status_code == 404


def test_hostile_units_stay_text(shared):
    (unit,) = shared.hand_out(RUN, f"{HOSTILE}{BIDI}", script=HOSTILE, kind=HOSTILE)
    shared.take(unit, HOSTILE)
    for path in ("/", f"/runs/{RUN}"):
        answer = page(path, shared)
        assert answer.status_code == 200
        assert "<script>document" not in answer.text
        assert "<img" not in answer.text
        assert BIDI not in answer.text
