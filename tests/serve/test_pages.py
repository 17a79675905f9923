"""The pages as they are answered: what they say, and what they allow a browser."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from support.reports import BIDI, HOSTILE, hostile_report, report, row
from support.sites import FakeService, listening

from regbot.config.values import Script
from regbot.events import InRun, Message, RunMissed
from regbot.journal.opening import open_journal
from regbot.journal.records import RepositoryDay, RunPage, ScriptRun
from regbot.run.service import ScriptState
from regbot.run.service_events import ScriptRunEnded, ScriptRunStarted
from regbot.run.timetable import Turn

NOW = 1_795_456_501.0  # 2026-11-23T17:55:01Z
AT = datetime.fromtimestamp(NOW, UTC)
NIGHTLY = Script(name="nightly")
RUN = ScriptRun("20261123-175501-ab12", "nightly", "server", "/etc/regbot/regbot.yml", NOW)


def state(**fields):
    usual = ScriptState(NIGHTLY, Turn(NIGHTLY, AT, AT), (), False, None, None)
    return replace(usual, **fields)


@pytest.fixture
def journal(tmp_path):
    with open_journal(tmp_path, clock=lambda: NOW) as journal:
        yield journal


def text_of(answer):
    """What a page says, without its marks."""
    return " ".join(re.sub(r"<[^>]*>", " ", answer.text).split())


def page(path, service, *events):
    """What is answered, after some events."""
    with listening(service, now=lambda: NOW) as place:
        for event in events:
            place.site.live.listen(event)
        return place.get(path, headers={"Accept": "text/html"})


def kept(journal, page=None, **fields):
    """A run that ended."""
    run = journal.script_runs.begin(replace(RUN, id="", started=fields.get("started", NOW)))
    run = replace(run, **{"status": "done", "ended": NOW + 3, **fields})
    journal.script_runs.end(run)
    journal.pages.keep(run.id, page or RunPage())
    return run


def test_a_server_without_scripts_says_how_to_get_one():
    text = text_of(page("/", FakeService()))
    assert "The config has no script. Add one under scripts , with a schedule" in text


def test_without_a_journal_the_page_says_so():
    assert "Nothing is recorded" in text_of(page("/", FakeService(shown=(state(),))))


def test_a_script_has_its_last_and_its_next_run(journal):
    run = kept(journal, status="failed", error="/etc/regbot/clean.lua:3: boom")
    answer = page("/", FakeService(journal=journal, shown=(state(last=run),)))
    text = text_of(answer)
    assert "regbot.yml at 2026-11-23 17:55 UTC just now" in text
    assert "failed 2026-11-23 17:55 UTC just now .../clean.lua:3: boom" in text
    assert 'aria-label="One run, which took 3s; 1 failed"' in answer.text
    assert f'href="/runs/{run.id}"' in answer.text
    assert "Nothing is recorded" not in text


def test_what_a_script_waits_for_or_missed_is_told():
    service = FakeService(shown=(state(is_waiting=True, upcoming=None),))
    missed = RunMissed("nightly", AT, "its time was missed")
    text = text_of(page("/", service, missed))
    assert "waits for its turn" in text
    assert "missed 2026-11-23 17:55 UTC just now : its time was missed" in text


def test_a_run_is_shown_until_it_ends_also_of_a_script_that_the_config_lost():
    started = ScriptRunStarted(RUN)
    assert "Running now nightly since" in text_of(page("/", FakeService(), started))
    ended = ScriptRunEnded(replace(RUN, status="done", ended=RUN.started))
    assert "Running now" not in text_of(page("/", FakeService(), started, ended))


def test_a_run_that_is_going_is_shown_with_its_lines():
    service = FakeService(shown=(state(running=(RUN,)),))
    line = InRun(RUN.id, "nightly", Message("warn", "hello", {"number": 3}))
    assert "Running now nightly since" in text_of(page("/", service, ScriptRunStarted(RUN)))
    answer = page(f"/runs/{RUN.id}", service, ScriptRunStarted(RUN), line)
    assert f'data-live="/live?run={RUN.id}"' in answer.text
    assert "17:55:01 WARN hello number=3" in text_of(answer)


def test_a_run_of_a_dry_run_can_be_seen_after_its_end():
    service = FakeService(shown=(state(),))
    ended = ScriptRunEnded(replace(RUN, status="done", ended=NOW + 1), report(row("old")))
    answer = page(f"/runs/{RUN.id}", service, ScriptRunStarted(RUN), ended)
    assert "The whole report" in answer.text
    assert "data-live" not in answer.text


def test_a_run_leads_to_the_other_runs_of_its_script(journal):
    failed = kept(journal, status="failed", error="boom", started=NOW - 100)
    run = kept(journal)
    answer = page(f"/runs/{run.id}", FakeService(journal=journal))
    assert f'href="/runs/{failed.id}"' in answer.text
    assert "The last 1 began result what it did" in text_of(answer)
    assert "failed boom" in text_of(answer)


def test_a_run_that_made_a_plan_leads_to_it(journal):
    plan = "20261123-175501-ffff"
    run = kept(journal, kind="plan", plan=plan, summary="would delete 2 tags in 1 repository")
    answer = page(f"/runs/{run.id}", FakeService(journal=journal))
    assert f'href="/plans/{plan}"' in answer.text
    assert "done would delete 2 tags in 1 repository" in text_of(answer)


def test_a_run_whose_server_is_gone_is_not_waited_for(journal):
    run = journal.script_runs.begin(replace(RUN, id=""))
    answer = page(f"/runs/{run.id}", FakeService(journal=journal))
    assert "data-live" not in answer.text


@pytest.mark.parametrize("path", ["/runs/20000101-000000-0000", "/runs/2026", "/runs/abc/report"])
def test_a_run_that_is_not_there_is_no_fault_of_the_server(journal, path):
    kept(journal)
    answer = page(path, FakeService(journal=journal))
    assert answer.status_code == 404
    assert "<h1>Not Found</h1>" in answer.text
    assert path.split("/")[2] not in text_of(answer)


def test_a_page_allows_its_own_files_and_nothing_else():
    answer = page("/", FakeService())
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} <= set(policy)
    assert not [part for part in policy if "unsafe" in part or "http" in part or "*" in part]
    assert answer.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<style|style=|<script>| on\w+=", answer.text)


def test_files_of_pages_are_kept_by_browsers_until_they_change():
    with listening() as place:
        for name in re.findall(r'(?:href|src)="(/static/[^"]+)"', place.get("/").text):
            answer = place.get(name)
            assert answer.status_code == 200
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert place.get("/static/x/regbot.css").status_code == 200
        assert place.get("/static/x/other.css").status_code == 404
        assert place.get("/static/x/..%2fbase.html.j2").status_code == 404


def test_a_report_has_the_policy_that_it_names_itself(journal):
    run = kept(
        journal, RunPage('<meta http-equiv="Content-Security-Policy" content="a &#39;b&#39;">')
    )
    headers = page(f"/runs/{run.id}/report", FakeService(journal=journal)).headers
    assert headers["Content-Security-Policy"] == "a 'b'; frame-ancestors 'none'"


@pytest.mark.parametrize("text", ["<p>no policy", '<meta content="x\r\nSet-Cookie: a=b">'])
def test_a_report_without_a_policy_may_do_nothing(journal, text):
    run = kept(journal, RunPage(text))
    answer = page(f"/runs/{run.id}/report", FakeService(journal=journal))
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "Set-Cookie" not in answer.headers


class HostileJournal:
    """A journal in which every text tries to be more than text."""

    counted = 0

    @property
    def pages(self):
        return self

    def repository_days(self):
        self.counted += 1
        return [RepositoryDay(f"{HOSTILE}{BIDI}", AT.date(), 3, 4, 5, HOSTILE)]


def test_repositories_and_their_runs_stay_text():
    answer = page("/repositories", FakeService(journal=HostileJournal()))
    assert "<script>document" not in answer.text
    assert "<img" not in answer.text
    assert BIDI not in answer.text


def test_deletes_are_counted_again_after_some_seconds_however_often_they_are_asked_for():
    journal, clock = HostileJournal(), [NOW]
    with listening(FakeService(journal=journal), now=lambda: clock[0]) as place:
        for _ in range(3):
            place.get("/repositories")
        assert journal.counted == 1
        clock[0] += 5
        place.get("/repositories")
        clock[0] -= 3600
        place.get("/repositories")
        assert journal.counted == 3


def test_a_hostile_run_stays_text(journal):
    ended = replace(RUN, status="failed", script=HOSTILE, error=HOSTILE, counts={HOSTILE: 1})
    events = (
        ScriptRunStarted(ended),
        InRun(RUN.id, HOSTILE, Message("error", HOSTILE, {HOSTILE: HOSTILE})),
        ScriptRunEnded(ended, hostile_report()),
    )
    for path in (f"/runs/{RUN.id}", f"/runs/{RUN.id}/report"):
        answer = page(path, FakeService(), *events)
        assert answer.status_code == 200
        assert "<script>document" not in answer.text
        assert "<img src" not in answer.text


def test_repositories_teach_where_nothing_was_deleted(journal):
    text = text_of(page("/repositories", FakeService(journal=journal)))
    assert "Nothing was deleted yet, as far as the journal goes back." in text


def test_a_config_that_is_refused_is_told_with_its_mistakes():
    problem = "/etc/regbot/regbot.yml:2:5: unknown key 'a'\n/etc/regbot/regbot.yml:9:1: <b>"
    text = text_of(page("/", FakeService(reload_problem=problem)))
    assert "The changed config is refused" in text
    assert ".../regbot.yml:2:5: unknown key &#39;a&#39; .../regbot.yml:9:1: &lt;b&gt;" in text
