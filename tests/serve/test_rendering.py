"""How values look on a page: escaped, without paths, with times in a zone."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from regbot.serve.rendering import Moment, Rendering, distance, without_paths

NOW = 1_795_456_501.0  # 2026-11-23T17:55:01Z


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/etc/regbot/regbot.yml:2:5: no such key", ".../regbot.yml:2:5: no such key"),
        ("can't read '/run/secrets/token'", "can't read '.../token'"),
        ("ocidir:///srv/images/base:old", "ocidir://.../base:old"),
        ("path=/a/b/c,/d/e/f", "path=.../c,.../f"),
        ("(/home/me/my.lua)", "(.../my.lua)"),
    ],
)
def test_paths_of_the_machine_are_cut(text, shown):
    assert without_paths(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "registry.example.org/team/app:old",
        "localhost:5000/team/app@sha256:" + "a" * 64,
        "GET https://registry.example.org/v2/team/app/tags/list",
        "http://[::1]:5000/v2/team/app",
        "ocidir://images/base",
        "images/base and a/b/c",
        "and/or",
        "1 / 2 / 3",
    ],
)
def test_names_and_addresses_are_left_whole(text):
    assert without_paths(text) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3 * 3600, "3 hours ago"),
        (-600, "10 minutes ago"),
        (-5, "just now"),
        (5, "soon"),
        (3 * 86400, "in 3 days"),
    ],
)
def test_how_far_away_a_time_is(seconds, text):
    assert distance(NOW + seconds, NOW) == text


def test_a_time_is_told_in_its_zone():
    at = datetime(2026, 11, 24, 3, 15, tzinfo=ZoneInfo("Europe/Berlin"))
    moment = Moment.of(at, NOW)
    assert moment.iso == "2026-11-24T03:15:00+01:00"
    assert f"{moment.text} {moment.zone} {moment.distance}" == (
        "2026-11-24 03:15 Europe/Berlin in 8 hours"
    )
    assert Moment.utc(NOW, NOW).iso == "2026-11-23T17:55:01Z"


def test_what_somebody_else_wrote_stays_text():
    hostile = "<script>alert(1)</script>\u202e \"'&"
    page = Rendering(lambda: NOW).page("error", title="No", why=hostile, again=False)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e &#34;&#39;&amp;" in page


def test_pages_name_files_of_this_server_alone():
    page = Rendering(lambda: NOW).page("error", title="No", why="no", again=True)
    addresses = re.findall(r"(?:href|src)=\"([^\"]*)\"", page)
    assert [address for address in addresses if not re.match(r"/(?!/)|#|data:,$", address)] == []
