"""A person looks at a plan in a browser, on a phone and at a desk, and approves it."""

from __future__ import annotations

import signal

import pytest
from support.applying import bot_in
from support.askable import TOKEN, asked, configure
from support.browser import chromium
from support.registry import DISTRIBUTION_3

SEEN = "document.querySelector('main').innerText"
TEXT = f"return {SEEN}"
WIDTHS = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
ENTER = "\ue007"
OLD, NEW = {"old0", "old1"}, {"new0"}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def server(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_3) as bot:
        bot.fill(old=2, new=1)
        configure(bot, approve=True, interval="1h")
        with asked(bot) as server:
            yield server


def look(browser, name, width, scheme="light"):
    """The page fits, anybody can use it, and its policy stopped nothing."""
    seen, there = browser.run(WIDTHS)
    assert seen <= there, "nothing is wider than the screen"
    assert browser.accessibility() == []
    assert [line for line in browser.complaints() if "policy" in line.lower()] == []
    browser.shoot(f"{name}-{width}-{scheme}")


@pytest.mark.parametrize("width", [360, 1280])
def test_a_plan_is_looked_at_and_approved(browser, server, width):
    plan = server.plan_that_waits()
    browser.look_like(width=width)
    browser.complaints()
    browser.open(f"{server.url}/plans")
    look(browser, "plans", width)
    browser.click(f'main a[href="/plans/{plan}"]')
    shown = browser.run(TEXT)
    for words in ("old0", "old1", "it is old", "waits for approval", "would delete 2 tags"):
        assert words in shown
    assert "new0" not in shown, "what stays is folded"
    browser.click("summary")
    assert "new0" in browser.run(TEXT)
    look(browser, "plan", width)
    browser.type("#token", "not-the-right-token")
    browser.click("main form button")
    browser.until(f"{SEEN}.includes('this is not the token of the config')")
    look(browser, "refused", width)
    assert server.tags() == OLD | NEW
    browser.type("#token", TOKEN)
    browser.click("main form button")
    browser.until(f"location.pathname == '/plans/{plan}'")
    server.until("command=apply status=done")
    assert server.tags() == NEW
    browser.until(f"{SEEN}.includes('The run that applied it')")
    assert browser.run("return document.querySelectorAll('main form').length") == 0
    look(browser, "applied", width)


@pytest.mark.parametrize("width", [360, 1280])
def test_the_pages_of_plans_are_dark_where_one_likes_that(browser, server, width):
    plan = server.plan_that_waits()
    browser.look_like(width=width, scheme="dark")
    browser.complaints()
    for path in ("/plans", f"/plans/{plan}"):
        browser.open(server.url + path)
        look(browser, path.split("/")[1] + str(path.count("/")), width, "dark")


def test_the_enter_key_makes_a_plan_and_deletes_nothing(browser, server):
    configure(server.bot, interval="1h")
    server.serving.process.send_signal(signal.SIGHUP)
    server.until("config reloaded")
    browser.look_like(width=1280)
    browser.open(f"{server.url}/")
    browser.click("main details.ask summary")
    browser.type("main details.ask input[type=password]", TOKEN + ENTER)
    server.until("was asked to plan: clean")
    server.until("script finished")
    assert server.tags() == OLD | NEW


@pytest.mark.parametrize("width", [360, 1280])
def test_a_script_is_run_by_a_button(browser, server, width):
    browser.look_like(width=width)
    browser.complaints()
    browser.open(f"{server.url}/")
    browser.click("main details.ask summary")
    look(browser, "buttons", width)
    browser.type("main details.ask input[type=password]", TOKEN)
    browser.click("main details.ask button")
    server.until("a plan waits for approval")
    browser.until("location.pathname == '/'")
    assert server.tags() == OLD | NEW
