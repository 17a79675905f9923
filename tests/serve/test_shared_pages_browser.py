"""Runs that workers share, as a person sees them in a browser, on a phone and at a desk."""

from __future__ import annotations

import pytest
from support.browser import chromium
from support.configs import load
from support.sharedunits import shared_units
from support.sites import FakeService, listening

TOKEN = "sesame-sesame-sesame"
RUN = "20261123-175501-ab12"
SEEN = "document.querySelector('main').innerText"
WIDTHS = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
REPOSITORIES = [f"registry.example.org/team/some-long-name/app{number}" for number in range(12)]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def shared(tmp_path):
    """Two runs, one of which has units in each state."""
    shared = shared_units(tmp_path / "units.sqlite")
    units = shared.hand_out(RUN, *REPOSITORIES, script="old builds")
    shared.hand_out("20261123-180000-cd34", "registry.example.org/team/web", script="mirror")
    for unit in units[:4]:
        shared.end(unit)
    shared.end(units[4], "failed", "https://registry.example.org/v2/: 503 Service Unavailable")
    for number, unit in enumerate(units[5:8]):
        shared.take(unit, f"regbot-7d9c5b6f4-x{number}")
    yield shared
    shared.database.close()


@pytest.fixture
def place(shared):
    service = FakeService(load(f"server: {{token: {TOKEN}}}"))
    with listening(service, units=shared.units) as place:
        yield place


def look(browser, name, width, scheme):
    """The page fits, anybody can use it, and its policy stopped nothing."""
    seen, there = browser.run(WIDTHS)
    assert seen <= there, "nothing is wider than the screen"
    assert browser.accessibility() == []
    assert [line for line in browser.complaints() if "policy" in line.lower()] == []
    browser.shoot(f"{name}-{width}-{scheme}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_what_workers_do_fits_and_is_accessible(browser, place, width, scheme):
    browser.look_like(width=width, scheme=scheme)
    browser.complaints()
    browser.open(f"{place.url}/")
    shown = browser.run(f"return {SEEN}")
    for words in ("old builds", "mirror", "What runs where", "regbot-7d9c5b6f4-x2", "app7"):
        assert words in shown
    look(browser, "shared-scripts", width, scheme)
    browser.open(f"{place.url}/runs/{RUN}")
    assert "503 Service Unavailable" in browser.run(f"return {SEEN}")
    look(browser, "shared-run", width, scheme)


@pytest.mark.parametrize("width", [360, 1280])
def test_a_run_is_ended_by_a_button(browser, place, shared, width):
    browser.look_like(width=width)
    browser.open(f"{place.url}/")
    browser.click("#units ~ table a")
    browser.type("#token", TOKEN)
    browser.click("main form button")
    browser.until(f"{SEEN}.includes('its run was cancelled')")
    assert shared.units.progress.of(RUN).counts["stopped"] == 7
    assert browser.run("return document.querySelectorAll('main form').length") == 0
    look(browser, "shared-ended", width, "light")


def test_what_workers_do_changes_by_itself(browser, place, shared):
    browser.look_like()
    browser.open(f"{place.url}/runs/{RUN}")
    assert "app9 waiting" in browser.run(f"return {SEEN}.replace(/\\s+/g, ' ')")
    browser.run("document.documentElement.dataset.mark = 'the same page'")
    shared.take(f"{RUN} {REPOSITORIES[9]}", "newcomer")
    browser.until(f"{SEEN}.includes('newcomer')")
    assert browser.run("return document.documentElement.dataset.mark") == "the same page"
    shared.units.cancel(RUN)
    browser.until(f"{SEEN}.includes('its run was cancelled')")
    browser.until("!document.querySelector('main form')")
