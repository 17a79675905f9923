"""The pages of plans: what is to be done, what stays, and what may be asked for."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from support.configs import load
from support.reports import BIDI, HOSTILE
from support.sites import FakeService, listening

from regbot.events import RunResult
from regbot.journal.opening import open_journal
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.plan.action import DeleteTag
from regbot.plan.carrying import Planned
from regbot.plan.kept import Kept
from regbot.plan.planfile import Plan, plan_text

TOKEN = "sesame-sesame-sesame"
CONFIG = FakeService().config_path
DIGEST = Digest.parse("sha256:" + "a1" * 32)


def reference(tag, repository="registry.example.org/team/app"):
    return Reference.parse(f"{repository}:{tag}")


def delete(tag, *, script="nightly", reason="too old", **where):
    return Planned(script, DeleteTag(reference(tag, **where), reason, DIGEST))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    service = FakeService(load(f"server: {{token: {TOKEN}}}"))
    with open_journal(tmp_path_factory.mktemp("state")) as journal:
        service.journal = journal
        with listening(service) as place:
            yield place


def keep(place, *actions, script="nightly", within=3600.0, config=CONFIG, **plan):
    """A plan in the journal; its id."""
    content = Plan(time.time(), "", actions, **plan)
    record = place.site.service.journal.keep_plan(
        plan_text(content, Path()).encode(),
        made=content.made,
        config=config,
        summary=f"would delete {len(actions)} tags in 1 repository",
        script=script,
        approve_within=within,
    )
    return record.id


def shown(place, plan, status=200):
    answer = place.get(f"/plans/{plan}")
    assert answer.status_code == status, answer.text
    return answer.text


def words(page):
    """The text of a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def forms(page):
    return re.findall(r'<form[^>]* action="([^"]*)"', page)


class TestAPlan:
    def test_each_action_is_there_with_its_reason(self, place):
        plan = keep(place, delete("v1"), delete("v2", reason="number 7 of 5"))
        text = words(shown(place, plan))
        for part in ("registry.example.org/team/app", "v1", "too old", "v2", "number 7 of 5"):
            assert part in text
        assert "Plan of nightly" in text
        assert "would delete 2 tags in 1 repository" in text
        assert str(DIGEST) in text

    def test_what_stays_is_folded_with_its_reason(self, place):
        kept = (
            Kept("nightly", reference("v3"), "kept by rule 1"),
            Kept("nightly", reference("v4"), "in use by pod web", asked=True),
        )
        page = shown(place, keep(place, delete("v1"), kept=kept))
        open_part, _, folded = page.partition("<details>")
        assert "kept by rule 1" not in words(open_part)
        assert "v3 kept by rule 1" in words(folded)
        assert "in use by pod web" in words(open_part), "what a script asked for is no aside"

    def test_a_script_that_is_not_in_it_is_named(self, place):
        failed = RunResult("nightly", "failed", "no tag v9")
        text = words(shown(place, keep(place, delete("v1"), scripts=(failed,))))
        assert "nightly failed: no tag v9" in text

    def test_nothing_in_it_is_code(self, place):
        plan = keep(place, delete("v1", reason=HOSTILE + BIDI), script=HOSTILE)
        for page in (shown(place, plan), place.get("/plans").text):
            assert HOSTILE not in page
            assert BIDI not in page
            assert len(re.findall("<script", page)) == 1

    def test_the_path_of_the_config_is_not_told(self, place):
        plan = keep(place, delete("v1", repository="ocidir:///srv/secret/layout"))
        for page in (shown(place, plan), place.get("/plans").text):
            assert "/etc/regbot" not in page
            assert "/srv/secret" not in page

    def test_a_huge_one_is_cut_and_says_so(self, place):
        plan = keep(place, *(delete(f"v{number}") for number in range(5100)))
        page = shown(place, plan)
        assert page.count('<tr role="row">') == 5001
        assert f"100 more are not shown here. This shows all: regbot show {plan}" in words(page)

    def test_its_answer_has_the_headers_of_a_page(self, place):
        headers = place.get(f"/plans/{keep(place, delete('v1'))}").headers
        assert "form-action 'self'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"


class TestWhatMayBeAskedFor:
    def test_one_that_waits_can_be_approved(self, place):
        plan = keep(place, delete("v1"))
        page = shown(place, plan)
        assert forms(page) == [f"/plans/{plan}/approve"]
        assert "waits for approval" in words(page)
        assert f"regbot approve {plan}" in words(page)

    def test_one_that_needs_no_approval_can_be_applied(self, place):
        plan = keep(place, delete("v1"), script="", within=None)
        page = shown(place, plan)
        assert forms(page) == [f"/plans/{plan}/apply"]
        assert "made by command" in words(page)

    def test_one_that_failed_can_be_applied_again(self, place):
        plan = keep(place, delete("v1"))
        journal = place.site.service.journal
        journal.end_plan(journal.begin_plan(journal.plan(plan)), "failed")
        page = shown(place, plan)
        assert forms(page) == [f"/plans/{plan}/apply"]
        assert "Not all of it was done" in words(page)

    @pytest.mark.parametrize("state", ["approved", "applying", "applied", "lapsed", "too late"])
    def test_others_can_not(self, place, state):
        plan = keep(place, delete("v1"), within=-1.0 if state == "too late" else 3600.0)
        journal = place.site.service.journal
        record = journal.plan(plan)
        if state == "lapsed":
            journal.lapse_plan(record)
        if state == "approved":
            journal.approve_plan(plan)
        if state in ("applying", "applied"):
            record = journal.begin_plan(record)
        if state == "applied":
            journal.end_plan(record, "applied")
        page = shown(place, plan)
        assert forms(page) == []
        wanted = {"applying": "is being applied", "too late": "lapsed"}.get(state, state)
        assert f"{wanted} would delete 1 tags" in words(page)

    def test_one_that_does_nothing_can_not(self, place):
        assert forms(shown(place, keep(place))) == []

    def test_without_a_token_in_the_config_nothing_can(self, place):
        plan = keep(place, delete("v1"))
        service = place.site.service
        config, service.config = service.config, load("version: 1")
        try:
            page = shown(place, plan)
        finally:
            service.config = config
        assert forms(page) == []
        assert "server: {token: ...}" in words(page)


class TestWhichAreThere:
    def test_the_newest_comes_first(self, place):
        first, second = keep(place, delete("v1")), keep(place, delete("v1"))
        page = place.get("/plans").text
        assert page.count(first) == 2, "its text and its link"
        assert "waits for approval" in words(page)
        assert second in page

    def test_those_of_other_configs_are_not_for_this_server(self, place):
        plan = keep(place, delete("v1"), config="/etc/other.yml")
        assert plan not in place.get("/plans").text
        shown(place, plan, 404)

    @pytest.mark.parametrize("name", ["nothing", "2026", "%3Cb%3E", "a%2Fb", "%ff"])
    def test_others_are_not_found_and_their_name_is_not_repeated(self, place, name):
        answer = place.get(f"/plans/{name}", headers={"Accept": "text/html"})
        assert answer.status_code == 404
        assert "<h1>Not Found</h1>" in answer.text
        assert "<b>" not in answer.text

    def test_one_of_an_older_version_is_told_of(self, place):
        record = place.site.service.journal.keep_plan(
            b'{"schema": 1}', made=1.0, config=CONFIG, summary="would delete 1 tag"
        )
        page = shown(place, record.id)
        assert "not a plan: it has schema 1" in words(page)
        assert forms(page) == []

    def test_a_server_that_keeps_none_has_none(self):
        with listening() as place:
            assert "No plan is kept" in words(place.get("/plans").text)
            assert place.get("/plans/x").status_code == 404
