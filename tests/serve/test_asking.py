"""What a server can be asked for over HTTP."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from support.configs import load
from support.sites import FakeService, listening

from regbot.errors import Conflict, InvalidValue, NotFound, Stopped, StorageError

TOKEN = "sesame-sesame-sesame"
HEADER = {"Authorization": f"Bearer {TOKEN}"}
BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


class FakeUnits:
    """Runs that workers share, of which one can be ended."""

    progress = None

    def __init__(self, service):
        self.service = service
        self.stopped = 3

    def cancel(self, run):
        if self.stopped:
            self.service.asked.append(("cancel", run))
        return self.stopped


@pytest.fixture
def place():
    """A site of its own for each test: it remembers who has sent wrong tokens."""
    service = FakeService(load(f"server: {{token: {TOKEN}}}"))
    with listening(service, units=FakeUnits(service)) as place:
        place.events.clear()
        yield place


def post(place, path, **settings):
    return place.get(path, "POST", allow_redirects=False, **settings)


@pytest.mark.parametrize(
    ("path", "asked", "see"),
    [
        ("/scripts/old%20builds/run", ("run", "old builds"), "/"),
        ("/scripts/old%20builds/plan", ("plan", "old builds"), "/"),
        ("/plans/20261129-1/apply", ("apply", "20261129-1"), "/plans/20261129-1"),
        ("/plans/20261129-1/approve", ("approve", "20261129-1"), "/plans/20261129-1"),
        ("/runs/20261129-1/cancel", ("cancel", "20261129-1"), "/runs/20261129-1"),
    ],
)
class TestEach:
    def test_a_program_gets_json(self, place, path, asked, see):
        answer = post(place, path, headers=HEADER)
        assert answer.status_code == 202
        assert answer.json() == {"asked": asked[0], "name": asked[1], "see": see}
        assert place.site.service.asked == [asked]

    def test_a_browser_is_sent_to_the_page_that_shows_what_becomes_of_it(
        self, place, path, asked, see
    ):
        answer = post(place, path, headers=BROWSER, data={"token": TOKEN})
        assert (answer.status_code, answer.headers["Location"]) == (303, see)
        assert place.site.service.asked == [asked]

    def test_the_log_says_what_was_asked_and_from_where(self, place, path, asked, see):
        post(place, path, headers=HEADER)
        (line,) = place.messages()
        assert line.level == "info"
        assert line.text == f"was asked to {asked[0]}: {asked[1]}"
        assert line.fields["from"] == "127.0.0.1"
        assert TOKEN not in str(line)

    def test_nothing_happens_without_the_token(self, place, path, asked, see):
        answer = post(place, path)
        assert answer.status_code == 401
        assert answer.json()["error"].startswith("the token of the config is needed")
        page = post(place, path, headers=BROWSER, data={"token": "wrong-wrong-wrong"})
        assert page.status_code == 401
        assert '<form class="ask" method="post" ' in page.text
        assert "action=" not in page.text
        assert "this is not the token of the config" in page.text
        assert "wrong-wrong" not in page.text
        assert place.site.service.asked == []

    def test_it_is_no_page(self, place, path, asked, see):
        assert place.get(path).status_code == 405
        assert place.site.service.asked == []


@pytest.mark.parametrize(
    "name",
    [
        "team/app",
        "a/run",
        "run",
        "100%",
        "%2F",
        "größe 大",
        "a+b",
        "a?b#c",
        "../up",
        "line\nbreak",
        "<script>",
        "a\\b",
        "//",
        "💥",
    ],
)
def test_any_name_of_a_script_can_be_asked_for(place, name):
    assert post(place, f"/scripts/{quote(name, safe='')}/run", headers=HEADER).status_code == 202
    assert place.site.service.asked == [("run", name)]


def test_the_log_has_the_path_in_the_letters_of_the_script(place):
    post(place, f"/scripts/{quote('größe 大')}/run", headers=HEADER)
    (line,) = place.messages()
    assert line.fields["request"] == "POST /scripts/größe 大/run"


@pytest.mark.parametrize("path", ["/scripts/%ff%fe/run", "/plans/%00/apply", "/plans/a%2Fb/apply"])
def test_odd_paths_do_no_harm(place, path):
    assert post(place, path, headers=HEADER).status_code in (202, 404)


@pytest.mark.parametrize(
    "path", ["/scripts//run", "/scripts/run", "/plans//apply", "/scripts/a/delete", "/", "/nowhere"]
)
def test_nothing_else_can_be_asked_for(place, path):
    answer = post(place, path, headers=HEADER)
    assert answer.status_code in (404, 405)
    assert set(answer.json()) == {"error"}
    assert place.site.service.asked == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("there is no script <b>"), 404),
        (InvalidValue("several plans begin with 2026"), 404),
        (Conflict("the plan 1 was applied already"), 409),
        (Stopped("the server ends"), 503),
        (StorageError("the history is locked"), 503),
    ],
)
def test_what_cannot_be_done_is_said(place, error, status):
    place.site.service.error = error
    answer = post(place, "/plans/1/approve", headers=HEADER)
    assert (answer.status_code, answer.json()) == (status, {"error": str(error)})
    (line,) = place.messages()
    assert (line.level, line.text) == ("warn", f"refused a request: {error}")
    page = post(place, "/plans/1/approve", headers={**BROWSER, **HEADER})
    assert page.status_code == status
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<b>" not in page.text
    assert "<form" not in page.text


def test_a_run_that_has_ended_can_not_be_ended_again(place):
    place.site.units.stopped = 0
    answer = post(place, "/runs/1/cancel", headers=HEADER)
    assert (answer.status_code, answer.json()) == (409, {"error": "1 had ended already"})


def test_where_the_state_is_a_folder_no_run_can_be_ended():
    with listening(FakeService(load(f"server: {{token: {TOKEN}}}"))) as place:
        answer = post(place, "/runs/1/cancel", headers=HEADER)
    assert answer.status_code == 404
    assert answer.json() == {
        "error": "no run 1 is shared by workers (for that, state is a database)"
    }


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("x" * 100_000, "application/x-www-form-urlencoded", 413),
        ("token=%zz&=&&&token", "application/x-www-form-urlencoded", 401),
        ("token=" + "%00" * 1000, "application/x-www-form-urlencoded", 401),
        ("--x\r\nContent-Disposition: form-data", "multipart/form-data; boundary=x", 401),
        ("{", "application/json", 401),
        ("", "", 401),
    ],
)
def test_broken_bodies_are_refused(place, body, kind, status):
    answer = post(place, "/scripts/a/run", data=body, headers={"Content-Type": kind})
    assert answer.status_code in (status, 429)
    assert place.site.service.asked == []


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_a_name_of_somebody_else_is_refused_also_with_the_token(place, host):
    answer = post(place, "/scripts/a/run", headers={**HEADER, "Host": host})
    assert answer.status_code in (400, 421)
    assert place.site.service.asked == []


def test_a_token_in_the_url_is_none(place):
    """It would be in the logs of proxies, and in the history of browsers."""
    assert post(place, f"/scripts/a/run?token={TOKEN}").status_code in (401, 429)
    assert place.site.service.asked == []


def test_without_a_token_in_the_config_nothing_can_be_asked_for():
    with listening(FakeService()) as place:
        answer = post(place, "/scripts/a/run", headers=HEADER)
        assert answer.status_code == 403
        assert "server: {token: ...}" in answer.json()["error"]
        assert "has no token" in post(place, "/scripts/a/run", headers=BROWSER).text
        assert place.site.service.asked == []
