"""The pages of a real server in a real browser, on a phone and a desk, by keyboard and eye."""

from __future__ import annotations

import json

import pytest
from support.browser import chromium
from support.images import make_image
from support.raw import push_raw
from support.reports import BIDI, HOSTILE
from support.serverprocess import make_due, serving, write_config
from support.servers import docker_registry

TAB, ENTER = "\ue004", "\ue007"
TEXT = "return document.body.innerText"
WIDTHS = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
LONG_NAME = "clean up what nobody has used for a very long time in all of the repositories"
HOSTILE_NAME = f"{HOSTILE}{BIDI}"
PAGES = ("scripts", "run", "failed run", "going", "repositories", "missing")

WAITS = """
local repo = "{host}/team/app"
local round = 0
repeat
  round = round + 1
  log("round " .. round)
  local there = false
  for _, name in ipairs(tag.ls(repo)) do
    if name == "go" then there = true end
  end
until there
"""
DELETES = """
for _, name in ipairs(tag.ls("{host}/team/{repository}")) do
  if string.sub(name, 1, 5) == "build" then tag.delete("{host}/team/{repository}:" .. name) end
end
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with docker_registry(tmp_path_factory.mktemp("registry")) as registry:
        for number in range(4):
            for repository in ("app", "api"):
                image = make_image(labels={"number": f"{repository}{number}"})
                push_raw(registry, f"team/{repository}", f"build-{number}", image)
        for repository in ("app", "api"):
            push_raw(registry, f"team/{repository}", "latest", make_image())
        yield registry


@pytest.fixture(scope="module")
def server(registry, tmp_path_factory):
    """A server after its first runs, with one that goes on until the tag ``go`` is there."""
    host = registry.host
    hostile = json.dumps(HOSTILE)
    scripts = [
        {"name": "nightly", "script": DELETES.format(host=host, repository="app")},
        {"name": LONG_NAME, "script": DELETES.format(host=host, repository="api")},
        {"name": HOSTILE_NAME, "script": f"log({hostile}) error({hostile})"},
        {"name": "waits", "script": WAITS.format(host=host)},
        {"name": "off", "script": "log('no')", "enabled": False},
    ]
    hosts = [{"registry": host, "tls": "disabled", "reqPerSec": 50}]
    path = write_config(tmp_path_factory.mktemp("server"), scripts, creds=hosts)
    make_due(path)
    with serving(path) as server:
        for name in ("nightly", LONG_NAME, HOSTILE_NAME):
            server.ended(name)
        yield server


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def paths(server):
    """The path of each page."""
    going = server.runs("waits")[0]
    return {
        "scripts": "/",
        "run": f"/runs/{server.ended('nightly').id}",
        "failed run": f"/runs/{server.ended(HOSTILE_NAME).id}",
        "going": f"/runs/{going.id}",
        "repositories": "/repositories",
        "missing": "/runs/20000101-000000-0000",
    }


@pytest.mark.parametrize("page", PAGES)
def test_every_page_fits_and_is_accessible(browser, server, paths, page):
    browser.complaints()
    for width, scheme in ((360, "light"), (360, "dark"), (1280, "dark"), (1280, "light")):
        browser.look_like(width=width, scheme=scheme)
        browser.open(server.url + paths[page])
        seen, there = browser.run(WIDTHS)
        assert seen <= there, "nothing is wider than the screen"
        browser.shoot(f"{page.replace(' ', '-')}-{width}-{scheme}")
        if (width < 500) == (scheme == "dark"):
            assert browser.accessibility() == []
    assert [line for line in browser.complaints() if "policy" in line.lower()] == []


def test_what_scripts_say_stays_text(browser, server, paths):
    browser.look_like()
    for page in ("scripts", "failed run"):
        browser.open(server.url + paths[page])
        assert "owned" not in browser.run("return document.title").split(" - ")[-1]
        assert browser.run("return document.images.length") == 0
        assert browser.run("return document.scripts.length") == 1
        shown = browser.run(TEXT)
        assert HOSTILE in shown
        assert BIDI not in shown
        assert "safe\\u202egnp.exe\\x07" in shown


def test_no_page_asks_another_server_or_names_a_folder(browser, server, paths):
    browser.look_like()
    browser.requested()
    for path in paths.values():
        browser.open(server.url + path)
        source = browser.run("return document.documentElement.outerHTML")
        assert str(server.folder) not in source
        assert str(server.folder.parent) not in source
    urls = [url for url in browser.requested() if url != "data:,"]
    assert urls
    assert [url for url in urls if not url.startswith(f"{server.url}/")] == []


def focus(browser):
    """What the keyboard is at: its text, or its name."""
    return browser.run(
        "const at = document.activeElement;"
        " return at.getAttribute('aria-label') || at.innerText || at.tagName"
    )


def test_by_keyboard_from_the_scripts_to_a_run_and_its_report(browser, server, paths):
    browser.look_like()
    browser.open(server.url + "/")
    browser.press(TAB)
    assert focus(browser) == "Skip to the content"
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert browser.run(outline) != "none", "where the keyboard is can be seen"
    browser.press(ENTER)
    browser.press(TAB)
    assert focus(browser) == "waits", "the menu is skipped"
    browser.press(TAB)
    browser.press(ENTER)
    assert browser.run("return document.querySelector('h1').innerText") == "nightly"
    for _ in range(20):
        browser.press(TAB)
        if focus(browser) == "The whole report":
            break
    browser.press(ENTER)
    assert browser.run("return document.title") == "regbot: Run of a server"


def test_the_report_is_the_page_that_a_file_would_have(browser, server, paths):
    browser.look_like()
    browser.complaints()
    browser.open(f"{server.url}{paths['run']}/report")
    rows = "return document.querySelectorAll('#actions tbody tr').length"
    assert browser.run(rows) == 4
    browser.type("#search", "build-2")
    assert browser.run(rows) == 1, "its own script runs under its own policy"
    assert browser.complaints() == []


def test_a_run_says_what_it_deleted_and_the_command_that_undoes_it(browser, server, paths):
    browser.look_like()
    browser.open(server.url + paths["run"])
    run = paths["run"].rpartition("/")[2]
    assert browser.run("return document.querySelector('pre').innerText").strip() == (
        f"regbot undo {run} -c regbot.yml"
    )
    where = "table[aria-labelledby=deleted] td"
    cells = f"return Array.from(document.querySelectorAll('{where}'), (cell) => cell.innerText)"
    deleted, kept, freed = browser.run(cells)
    assert (deleted, kept) == ("4", "1")
    assert "done deleted 4 tags in 1 repository in" in browser.run(TEXT)
    assert freed.endswith("KiB")
    log = browser.run("return document.getElementById('log').innerText")
    assert "team/app:build-3" in log


def test_the_charts_say_in_words_what_they_show(browser, server, paths):
    browser.look_like()
    browser.open(server.url + paths["repositories"])
    names = "return Array.from(document.querySelectorAll('svg'), (svg) => svg.ariaLabel)"
    total, *each = browser.run(names)
    assert "8 tags were deleted on one day." in total
    assert len(each) == 2
    assert all("4 tags were deleted on one day. 1 stayed at the end." in text for text in each)
    browser.click("summary")
    first = "return document.querySelector('details td').innerText"
    assert browser.run(first) == "8"


def test_without_javascript_the_pages_say_the_same(server, paths, tmp_path):
    with chromium(tmp_path, "--blink-settings=scriptEnabled=false") as plain:
        for page, text in (
            ("scripts", "clean up what nobody has used"),
            ("run", "regbot undo"),
            ("going", "Load the page again for newer lines."),
            ("repositories", "8 tags were deleted"),
        ):
            plain.open(server.url + paths[page])
            body = plain.find("body")
            assert text in plain.call("GET", f"{body}/text")
        plain.shoot("repositories-without-javascript")


TOKEN = "a-token-of-the-tests"


@pytest.fixture
def waits(registry, tmp_path):
    """Begins servers whose only script goes on until the tag ``go`` is in its repository."""
    repository = f"team/{tmp_path.name}".lower()
    push_raw(registry, repository, "latest", make_image())
    hosts = [{"registry": registry.host, "tls": "disabled", "reqPerSec": 10}]
    script = WAITS.format(host=registry.host).replace("team/app", repository)

    def begin(**settings):
        scripts, section = [{"name": "waits", "script": script}], {"token": TOKEN, **settings}
        path = write_config(tmp_path, scripts, creds=hosts, server=section)
        make_due(path)
        return serving(path)

    def end():
        push_raw(registry, repository, "go", make_image())

    return begin, end


@pytest.fixture
def waiting(waits):
    with waits[0]() as server:
        yield server


def test_lines_of_a_run_appear_by_themselves_and_then_how_it_ended(browser, waiting, waits):
    _, end = waits
    browser.look_like()
    browser.open(waiting.url + "/")
    browser.until("document.body.innerText.includes('Running now')")
    browser.click("#running + ul a")
    lines = "document.querySelectorAll('#log li').length"
    before = browser.run(f"return {lines}")
    browser.until(f"{lines} > {before + 3}")
    assert "New lines appear by themselves." in browser.run(TEXT)
    end()
    browser.until("document.querySelector('.status.done')")
    browser.until("document.getElementById('log').innerText.includes('script finished')")
    assert "New lines" not in browser.run(TEXT)


def test_what_somebody_is_at_is_left_as_it_is(browser, waiting, waits):
    _, end = waits
    browser.look_like()
    browser.open(waiting.url + "/")
    browser.until("document.body.innerText.includes('runs now')")
    browser.click("details.ask summary")
    browser.type("input[type=password]", "half of it")
    end()
    browser.until("!document.body.innerText.includes('Running now')")
    value = "return document.querySelector('input[type=password]').value"
    assert browser.run(value) == "half of it"


def test_the_page_of_scripts_changes_by_itself(browser, waiting, waits):
    _, end = waits
    browser.look_like()
    browser.open(waiting.url + "/")
    browser.until("document.body.innerText.includes('runs now')")
    browser.run("document.documentElement.dataset.mark = 'the same page'")
    end()
    browser.until("!document.body.innerText.includes('runs now')")
    assert browser.run("return document.documentElement.dataset.mark") == "the same page"
    assert "Running now" not in browser.run(TEXT)


def test_who_has_shown_the_token_once_sees_live_lines(browser, waits):
    begin, end = waits
    with begin(readToken=f"{TOKEN}-to-read") as server:
        browser.look_like()
        browser.open(server.url.replace("://", f"://me:{TOKEN}-to-read@") + "/")
        browser.open(server.url + "/")
        browser.until("document.body.innerText.includes('Running now')")
        browser.click("#running + ul a")
        lines = "document.querySelectorAll('#log li').length"
        before = browser.run(f"return {lines}")
        browser.until(f"{lines} > {before + 3}")
        end()
        browser.until("document.querySelector('.status.done')")
