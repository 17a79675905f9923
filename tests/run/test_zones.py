"""The time zone of this machine."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

import pytest

from regbot.run.schedule import Schedule
from regbot.run.zones import local_timezone

SUMMER, WINTER = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def paris() -> Path:
    """The system's file of a zone, where it has one."""
    for folder in TZPATH:
        path = Path(folder) / "Europe" / "Paris"
        if path.is_file():
            return path
    pytest.skip("this system has no time zones of its own")


def hours(zone: object) -> list[float]:
    """How far a zone is ahead of UTC in summer and in winter."""
    return [moment.astimezone(zone).utcoffset().seconds / 3600 for moment in (SUMMER, WINTER)]


@pytest.mark.parametrize("text", ["Europe/Paris", ":Europe/Paris"])
def test_tz_names_the_zone(text, tmp_path):
    zone = local_timezone({"TZ": text}, tmp_path / "missing")
    assert (str(zone), hours(zone)) == ("Europe/Paris", [2, 1])


def test_tz_may_be_a_path(paris, tmp_path):
    zone = local_timezone({"TZ": str(paris)}, tmp_path / "missing")
    assert (str(zone), hours(zone)) == ("Europe/Paris", [2, 1])


@pytest.mark.parametrize(
    "text", ["", "Mars/Base", "../UTC", "/nowhere", "CET-1CEST,M3.5.0,M10.5.0"]
)
def test_any_other_tz_is_utc(text, paris):
    assert str(local_timezone({"TZ": text}, paris)) == "UTC"


def test_without_tz_the_link_of_the_system_names_the_zone(paris, tmp_path):
    (tmp_path / "localtime").symlink_to(paris)
    zone = local_timezone({}, tmp_path / "localtime")
    assert (str(zone), hours(zone)) == ("Europe/Paris", [2, 1])


def test_a_file_in_place_of_the_link_has_no_name(paris, tmp_path):
    shutil.copy(paris, tmp_path / "localtime")
    zone = local_timezone({}, tmp_path / "localtime")
    assert (str(zone), hours(zone)) == ("local", [2, 1])


@pytest.mark.parametrize("content", [None, b"", b"not a zone"])
def test_a_machine_that_is_set_to_nothing_is_at_utc(content, tmp_path):
    if content is not None:
        (tmp_path / "localtime").write_bytes(content)
    assert str(local_timezone({}, tmp_path / "localtime")) == "UTC"


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "localtime")
    assert str(local_timezone({}, tmp_path / "localtime")) == "UTC"


def test_local_time_keeps_its_hour_where_clocks_change(paris, tmp_path):
    shutil.copy(paris, tmp_path / "localtime")
    zone = local_timezone({}, tmp_path / "localtime")
    schedule, after = Schedule.parse("15 3 * * *", zone), datetime(2026, 3, 27, 12, tzinfo=UTC)
    found = []
    for _ in range(3):
        after = schedule.next(after)
        found.append(after.isoformat(timespec="minutes"))
    assert found == ["2026-03-28T03:15+01:00", "2026-03-29T03:15+02:00", "2026-03-30T03:15+02:00"]


def test_a_zone_in_the_schedule_wins():
    local = ZoneInfo("Europe/Paris")
    schedule = Schedule.parse("CRON_TZ=Asia/Kolkata 0 3 * * *", local)
    assert schedule.next(WINTER).isoformat() == "2026-01-02T03:00:00+05:30"
