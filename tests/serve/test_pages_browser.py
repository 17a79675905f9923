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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("page", PAGES)
def test_every_page_fits_and_is_accessible(browser, server, paths, page, width, scheme):
    browser.look_like(width=width, scheme=scheme)
    browser.complaints()
    browser.open(server.url + paths[page])
    seen, there = browser.run(WIDTHS)
    assert seen <= there, "nothing is wider than the screen"
    assert browser.accessibility() == []
    browser.shoot(f"{page.replace(' ', '-')}-{width}-{scheme}")
    policy = "policy"
    assert [line for line in browser.complaints() if policy in line.lower()] == []
